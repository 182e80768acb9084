#include "tasks.h"

#include <algorithm>
#include <cmath>

namespace engine {
namespace {

// -log of the probability that softmax(logits) gives to the token
double surprise(const float * logits, int n, Token token) {
    const double max = *std::max_element(logits, logits + n);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += std::exp(logits[i] - max);
    }
    return std::log(sum) + max - logits[token];
}

Token most_likely(const std::vector<float> & logits) {
    return static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

} // namespace

Result<Perplexity> measure_perplexity(Session & session, const std::string & text, LogitsHash & hash,
                                      const Progress & progress) {
    const std::vector<Token> tokens = session.model().tokenizer().encode(text);
    if (tokens.empty()) {
        return failure("there is no text to measure the perplexity of");
    }
    const size_t n_vocab = session.model().n_vocab();
    const size_t n_ctx = session.n_ctx();
    // Several pieces are in flight at once, as many as their logits fit into this.
    const size_t max_logits = size_t{16} << 20;
    const size_t pieces_at_once = std::max<size_t>(1, max_logits / (n_ctx * n_vocab));
    const size_t tokens_at_once = std::min(tokens.size(), pieces_at_once * n_ctx);
    std::vector<float> logits(tokens_at_once * n_vocab);
    double total = 0;
    for (size_t first = 0; first < tokens.size(); first += tokens_at_once) {
        const size_t n = std::min(tokens_at_once, tokens.size() - first);
        for (size_t begin = first; begin < first + n; begin += n_ctx) {
            const size_t end = std::min(begin + n_ctx, first + n);
            std::vector<Token> piece = {session.model().tokenizer().bos()};
            piece.insert(piece.end(), tokens.begin() + begin, tokens.begin() + end - 1);
            const Status status = session.enqueue(piece, 0, Outputs::All, logits.data() + (begin - first) * n_vocab);
            if (!status.ok()) {
                return status;
            }
            progress(end, tokens.size());
        }
        session.synchronize();
        hash.add(logits.data(), n * n_vocab);
        for (size_t i = 0; i < n; i++) {
            total += surprise(logits.data() + i * n_vocab, static_cast<int>(n_vocab), tokens[first + i]);
        }
    }
    return Perplexity{std::exp(total / static_cast<double>(tokens.size())), tokens.size()};
}

Result<Generated> generate(Session & session, const std::string & prompt, int n, LogitsHash & hash,
                           const Progress & progress) {
    const Tokenizer & tokenizer = session.model().tokenizer();
    std::vector<Token> tokens = {tokenizer.bos()};
    const std::vector<Token> encoded = tokenizer.encode(prompt);
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
    const size_t n_prompt = tokens.size();
    if (n < 0 || n_prompt + n > static_cast<size_t>(session.n_ctx())) {
        return failure("a prompt of " + std::to_string(n_prompt) + " tokens and " + std::to_string(n) +
                       " more do not fit into a context of " + std::to_string(session.n_ctx()));
    }
    std::vector<float> logits(session.model().n_vocab());
    Generated result;
    std::vector<Token> pending = tokens;
    std::vector<Token> written;
    while (true) {
        const Status status = session.enqueue(pending, static_cast<int>(result.n_tokens), Outputs::Last, logits.data());
        if (!status.ok()) {
            return status;
        }
        session.synchronize();
        hash.add(logits.data(), logits.size());
        result.n_tokens += pending.size();
        const Token token = most_likely(logits);
        if (n == 0 || tokenizer.is_end(token)) {
            break;
        }
        written.push_back(token);
        pending = {token};
        progress(written.size(), n);
        if (static_cast<int>(written.size()) == n) {
            break;
        }
    }
    // Decoded together with the prompt, because what a piece looks like may depend on being the first.
    tokens.insert(tokens.end(), written.begin(), written.end());
    const size_t skip = tokenizer.decode({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(n_prompt)}).size();
    result.text = tokenizer.decode(tokens).substr(skip);
    return result;
}

} // namespace engine
