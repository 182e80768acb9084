// progress_bar.h - a line on stderr that shows how far a task is; nothing at all unless stderr is a
// terminal that knows escape sequences.

#pragma once

#include "system.h"

#include <cstddef>
#include <string>

namespace sched_run {

class ProgressBar {
  public:
    explicit ProgressBar(std::string label);
    ~ProgressBar(); // clears the line
    ProgressBar(const ProgressBar &) = delete;
    ProgressBar & operator=(const ProgressBar &) = delete;

    void show(size_t done, size_t total);

  private:
    std::string label_;
    EscapeSequences escape_sequences_;
    int shown_percent_ = -1;
};

} // namespace sched_run
