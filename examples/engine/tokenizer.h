// tokenizer.h - text to tokens and back, for the two kinds of vocabulary that small llama models come with:
//   "gpt2" without merges: every token is one byte, under the printable character that GPT-2 gives it
//   "llama": pieces with scores, merged greedily, best score first (SentencePiece BPE), with byte tokens for the rest
//
// Threading: read-only after load.

#pragma once

#include "gguf_file.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace engine {

using Token = int32_t;

class Tokenizer {
  public:
    static Result<Tokenizer> load(const GgufFile & file);

    int size() const { return static_cast<int>(pieces_.size()); }
    Token bos() const { return bos_; } // precedes every text
    bool is_end(Token token) const { return token == bos_ || token == eos_; }

    std::vector<Token> encode(std::string_view text) const; // without bos
    std::string decode(const std::vector<Token> & tokens) const;

  private:
    Status load_bytes(const GgufFile & file);
    Status load_pieces(const GgufFile & file);
    std::vector<Token> merge(std::vector<Token> symbols) const;

    bool by_score_ = false;
    std::vector<std::string> pieces_; // the bytes of each token; special tokens have none
    std::vector<float> scores_;
    std::array<Token, 256> byte_tokens_ = {};
    std::unordered_map<std::string, Token> ids_;
    Token bos_ = 0;
    Token eos_ = 0;
};

} // namespace engine
