#include "observe/json_line.h"

#include <cstdio>

namespace ggml_sched::observe {

namespace {

bool is_continuation(unsigned char c) {
    return (c & 0xc0) == 0x80;
}

// Returns the length of the well-formed UTF-8 sequence that begins at i; 0 if there is none.
size_t utf8_length(const std::string & text, size_t i) {
    const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0; };
    const unsigned char first = byte(i);
    if (first < 0x80) {
        return 1;
    }
    const size_t length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (first < 0xc2 || length == 0) {
        return 0;
    }
    for (size_t k = 1; k < length; k++) {
        if (!is_continuation(byte(i + k))) {
            return 0;
        }
    }
    const unsigned char second = byte(i + 1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    // Surrogates, and numbers that are too large
    const bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return overlong || outside ? 0 : length;
}

} // namespace

// Adds a key, and a comma before it where one is needed.
void JsonLine::add_key(const char * key) {
    if (text_.back() != '{') {
        text_ += ',';
    }
    text_ += '"';
    text_ += key;
    text_ += "\":";
}

void JsonLine::begin_object(const char * key) {
    add_key(key);
    text_ += '{';
}

void JsonLine::add(const char * key, const std::string & value) {
    add_key(key);
    text_ += '"';
    add_escaped(value);
    text_ += '"';
}

void JsonLine::add(const char * key, uint64_t value) {
    add_key(key);
    text_ += std::to_string(value);
}

void JsonLine::add(const char * key, bool value) {
    add_key(key);
    text_ += value ? "true" : "false";
}

void JsonLine::add_us(const char * key, int64_t ns) {
    add_key(key);
    char number[32];
    const int64_t positive = ns < 0 ? -ns : ns;
    (void) std::snprintf(number, sizeof(number), "%s%lld.%03d", ns < 0 ? "-" : "",
                         static_cast<long long>(positive / 1000), static_cast<int>(positive % 1000));
    text_ += number;
}

// Adds text, escaped as json_line.h says.
void JsonLine::add_escaped(const std::string & value) {
    for (size_t i = 0; i < value.size();) {
        const size_t length = utf8_length(value, i);
        const char c = value[i];
        if (length == 0) {
            text_ += "\\ufffd";
            i++;
            continue;
        }
        if (length == 1 && (c == '"' || c == '\\')) {
            text_ += '\\';
            text_ += c;
        } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == 0x7f)) {
            char escape[8];
            (void) std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
            text_ += escape;
        } else {
            text_.append(value, i, length);
        }
        i += length;
    }
}

} // namespace ggml_sched::observe
