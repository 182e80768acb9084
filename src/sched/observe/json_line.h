// JsonLine - one flat JSON object, or a nested one, built member by member. Text may be any bytes: what is not UTF-8
// comes out as U+FFFD, and '<' is escaped so that a line may stand in a web page.

#pragma once

#include <cstdint>
#include <string>

namespace ggml_sched::observe {

class JsonLine {
  public:
    // Begins again with {. The memory is kept.
    void begin() { text_ = "{"; }
    void end() { text_ += '}'; }
    void begin_object(const char * key);

    void add(const char * key, const std::string & value);
    void add(const char * key, const char * value) { add(key, std::string(value)); }
    void add(const char * key, uint64_t value);
    void add(const char * key, bool value);
    void add_us(const char * key, int64_t ns); // as microseconds, with a point in every locale

    const std::string & text() const { return text_; }

  private:
    void add_key(const char * key);
    void add_escaped(const std::string & value);

    std::string text_;
};

} // namespace ggml_sched::observe
