#include "logits_hash.h"

#include <cstring>

namespace engine {

void LogitsHash::add(const float * logits, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        std::memcpy(&bits, logits + i, sizeof(bits));
        for (int shift = 0; shift < 32; shift += 8) {
            state_ = (state_ ^ ((bits >> shift) & 0xff)) * 0x100000001b3;
        }
    }
}

std::string LogitsHash::hex() const {
    static const char digits[] = "0123456789abcdef";
    std::string text(16, '0');
    for (int i = 0; i < 16; i++) {
        text[i] = digits[(state_ >> (60 - 4 * i)) & 0xf];
    }
    return text;
}

} // namespace engine
