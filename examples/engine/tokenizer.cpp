#include "tokenizer.h"

#include <charconv>
#include <queue>

namespace engine {
namespace {

const std::string kSpaceMark = "\xe2\x96\x81"; // U+2581, which stands for a space in SentencePiece vocabularies

std::string utf8(uint32_t code) {
    if (code < 0x80) {
        return {static_cast<char>(code)};
    }
    return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))}; // enough for < 0x800
}

// GPT-2 lists bytes that are printable in Latin-1 as themselves, the others as the characters from U+0100 on.
std::array<std::string, 256> gpt2_characters() {
    std::array<std::string, 256> characters;
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
        characters[byte] = utf8(printable ? byte : next++);
    }
    return characters;
}

// "<0x0A>" -> 10, anything else -> -1
int byte_of_piece(const std::string & piece) {
    int value = -1;
    if (piece.size() == 6 && piece.compare(0, 3, "<0x") == 0 && piece[5] == '>') {
        const auto [stop, code] = std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
        return code == std::errc() && stop == piece.data() + 5 ? value : -1;
    }
    return value;
}

std::string with_spaces(std::string piece) {
    for (size_t at = piece.find(kSpaceMark); at != std::string::npos; at = piece.find(kSpaceMark, at)) {
        piece.replace(at, kSpaceMark.size(), " ");
    }
    return piece;
}

size_t utf8_length(char first) {
    const auto byte = static_cast<unsigned char>(first);
    return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

} // namespace

Result<Tokenizer> Tokenizer::load(const GgufFile & file) {
    Tokenizer tokenizer;
    const Result<std::string> kind = file.text("tokenizer.ggml.model");
    if (!kind.ok()) {
        return kind.status();
    }
    Status status;
    if (kind.value() == "gpt2") {
        status = tokenizer.load_bytes(file);
    } else if (kind.value() == "llama") {
        status = tokenizer.load_pieces(file);
    } else {
        status =
            failure(file.path() + ": unsupported tokenizer '" + kind.value() + "': this engine knows gpt2 and llama");
    }
    if (!status.ok()) {
        return status;
    }
    const Result<uint32_t> bos = file.uint("tokenizer.ggml.bos_token_id");
    const Result<uint32_t> eos = bos.ok() ? file.uint_or("tokenizer.ggml.eos_token_id", bos.value()) : bos;
    if (!eos.ok()) {
        return eos.status();
    }
    if (bos.value() >= tokenizer.pieces_.size() || eos.value() >= tokenizer.pieces_.size()) {
        return failure(file.path() + ": 'tokenizer.ggml.bos_token_id' or 'tokenizer.ggml.eos_token_id' is no token");
    }
    tokenizer.bos_ = static_cast<Token>(bos.value());
    tokenizer.eos_ = static_cast<Token>(eos.value());
    tokenizer.pieces_[bos.value()].clear();
    tokenizer.pieces_[eos.value()].clear();
    return tokenizer;
}

Status Tokenizer::load_bytes(const GgufFile & file) {
    const Result<std::vector<std::string>> tokens = file.texts("tokenizer.ggml.tokens");
    if (!tokens.ok()) {
        return tokens.status();
    }
    if (file.has("tokenizer.ggml.merges")) {
        const Result<std::vector<std::string>> merges = file.texts("tokenizer.ggml.merges");
        if (!merges.ok()) {
            return merges.status();
        }
        if (!merges.value().empty()) {
            return failure(file.path() + ": a gpt2 tokenizer with merges is not supported, only one of single bytes");
        }
    }
    for (size_t i = 0; i < tokens.value().size(); i++) {
        ids_.emplace(tokens.value()[i], static_cast<Token>(i));
    }
    pieces_.resize(tokens.value().size());
    const std::array<std::string, 256> characters = gpt2_characters();
    for (size_t byte = 0; byte < 256; byte++) {
        const auto found = ids_.find(characters[byte]);
        if (found == ids_.end()) {
            return failure(file.path() + ": 'tokenizer.ggml.tokens' has no token for byte " + std::to_string(byte));
        }
        byte_tokens_[byte] = found->second;
        pieces_[found->second] = std::string(1, static_cast<char>(byte));
    }
    return {};
}

Status Tokenizer::load_pieces(const GgufFile & file) {
    by_score_ = true;
    Result<std::vector<std::string>> tokens = file.texts("tokenizer.ggml.tokens");
    if (!tokens.ok()) {
        return tokens.status();
    }
    const Result<std::vector<float>> scores = file.reals("tokenizer.ggml.scores");
    if (!scores.ok()) {
        return scores.status();
    }
    if (scores.value().size() != tokens.value().size()) {
        return failure(file.path() + ": 'tokenizer.ggml.tokens' and 'tokenizer.ggml.scores' differ in length");
    }
    scores_ = scores.value();
    pieces_ = std::move(tokens.value());
    byte_tokens_.fill(-1);
    for (size_t i = 0; i < pieces_.size(); i++) {
        if (const int byte = byte_of_piece(pieces_[i]); byte >= 0) {
            byte_tokens_[byte] = static_cast<Token>(i);
            pieces_[i] = std::string(1, static_cast<char>(byte));
        } else {
            pieces_[i] = with_spaces(std::move(pieces_[i]));
            ids_.emplace(pieces_[i], static_cast<Token>(i));
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        if (byte_tokens_[byte] < 0) {
            return failure(file.path() + ": 'tokenizer.ggml.tokens' has no token for byte " + std::to_string(byte));
        }
    }
    return {};
}

std::vector<Token> Tokenizer::encode(std::string_view text) const {
    std::vector<Token> tokens;
    if (!by_score_) {
        for (const char c : text) {
            tokens.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
        }
        return tokens;
    }
    if (text.empty()) {
        return tokens;
    }
    const std::string spaced = " " + std::string(text); // such vocabularies begin words, the first too, with a space
    for (size_t at = 0; at < spaced.size();) {
        const std::string character = spaced.substr(at, utf8_length(spaced[at]));
        if (const auto found = ids_.find(character); found != ids_.end()) {
            tokens.push_back(found->second);
        } else {
            for (const char c : character) {
                tokens.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
            }
        }
        at += character.size();
    }
    return merge(std::move(tokens));
}

// Joins neighbours into the known piece of the best score, the leftmost among equals, until nothing can be joined.
// A linked list with a queue of candidates, so that long texts take n log n.
std::vector<Token> Tokenizer::merge(std::vector<Token> symbols) const {
    const int n = static_cast<int>(symbols.size());
    std::vector<int> previous(n);
    std::vector<int> next(n);
    for (int i = 0; i < n; i++) {
        previous[i] = i - 1;
        next[i] = i + 1;
    }
    struct Candidate {
        float score;
        int left;
        Token left_was;
        Token right_was;
        Token joined;

        bool operator<(const Candidate & other) const {
            return score != other.score ? score < other.score : left > other.left;
        }
    };
    std::priority_queue<Candidate> candidates;
    const auto consider = [&](int left) {
        if (left < 0 || next[left] >= n) {
            return;
        }
        const Token a = symbols[left];
        const Token b = symbols[next[left]];
        if (const auto found = ids_.find(pieces_[a] + pieces_[b]); found != ids_.end()) {
            candidates.push({scores_[found->second], left, a, b, found->second});
        }
    };
    for (int i = 0; i < n; i++) {
        consider(i);
    }
    while (!candidates.empty()) {
        const Candidate best = candidates.top();
        candidates.pop();
        const int right = next[best.left];
        if (symbols[best.left] != best.left_was || right >= n || symbols[right] != best.right_was) {
            continue; // one of the two has been joined to something else meanwhile
        }
        symbols[best.left] = best.joined;
        symbols[right] = -1;
        next[best.left] = next[right];
        if (next[right] < n) {
            previous[next[right]] = best.left;
        }
        consider(previous[best.left]);
        consider(best.left);
    }
    std::vector<Token> joined;
    for (const Token symbol : symbols) {
        if (symbol >= 0) {
            joined.push_back(symbol);
        }
    }
    return joined;
}

std::string Tokenizer::decode(const std::vector<Token> & tokens) const {
    std::string text;
    for (const Token token : tokens) {
        if (token >= 0 && token < size()) {
            text += pieces_[token];
        }
    }
    if (by_score_ && !text.empty() && text.front() == ' ') {
        text.erase(0, 1); // the one that encode added
    }
    return text;
}

} // namespace engine
