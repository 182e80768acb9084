// JsonLine - one JSON object, built member by member. A text may have any bytes. Bytes that are not UTF-8 come out as
// U+FFFD, and '<' is escaped so that a line may stand in a web page.
//
// JsonLine owns the text of the line. One thread at a time uses it.

#pragma once

#include <cstdint>
#include <string>

namespace ggml_sched::observe {

class JsonLine {
  public:
    // Begins a new object, and forgets the text of the last one.
    void begin() { text_ = "{"; }
    // Ends the innermost object.
    void end() { text_ += '}'; }
    // Begins an object within the object.
    void begin_object(const char * key);

    // Adds a member. `key` is not escaped.
    void add(const char * key, const std::string & value);
    void add(const char * key, const char * value) { add(key, std::string(value)); }
    void add(const char * key, uint64_t value);
    void add(const char * key, bool value);
    // Adds a time in microseconds, with a point in every locale.
    void add_us(const char * key, int64_t ns);

    const std::string & text() const { return text_; }

  private:
    void add_key(const char * key);
    void add_escaped(const std::string & value);

    std::string text_;
};

} // namespace ggml_sched::observe
