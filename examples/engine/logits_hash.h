// logits_hash.h - 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) over the bytes of every logit, in order.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace engine {

class LogitsHash {
  public:
    void add(const float * logits, size_t n);
    uint64_t value() const { return state_; }
    std::string hex() const; // 16 digits

  private:
    uint64_t state_ = 0xcbf29ce484222325;
};

} // namespace engine
