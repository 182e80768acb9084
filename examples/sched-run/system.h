// system.h - what this program asks of the operating system: its own words and path, and the console.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sched_run {

// Returns the words that main() was called with, in UTF-8. On Windows main() gets them in another encoding, so the
// system is asked.
std::vector<std::string> utf8_arguments(int argc, const char * const * argv);

// Returns the path of this program; "" if the system does not tell.
std::filesystem::path program_path();

// Lets the console show UTF-8 for as long as the object lives. Consoles of other systems than Windows do so always.
// The console belongs to the shell, too, so the object restores what was set before.
class Utf8Console {
  public:
    Utf8Console();
    ~Utf8Console() { restore(); }
    Utf8Console(const Utf8Console &) = delete;
    Utf8Console & operator=(const Utf8Console &) = delete;

  private:
    void restore() const;

    [[maybe_unused]] unsigned code_page_before_; // Windows alone uses it.
};

// Lets stderr take escape sequences for as long as the object lives, if stderr is a terminal that knows them.
class EscapeSequences {
  public:
    EscapeSequences();
    ~EscapeSequences() { restore(); }
    EscapeSequences(const EscapeSequences &) = delete;
    EscapeSequences & operator=(const EscapeSequences &) = delete;

    // True if escape sequences may be written to stderr.
    bool work() const { return work_; }

  private:
    void restore() const;

    bool work_;
    [[maybe_unused]] unsigned mode_before_ = 0; // Windows alone uses it.
};

} // namespace sched_run
