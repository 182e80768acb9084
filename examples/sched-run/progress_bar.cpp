#include "progress_bar.h"

#include <cstdio>
#include <utility>

namespace sched_run {

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)) {}

ProgressBar::~ProgressBar() {
    if (shown_percent_ >= 0) {
        std::fputs("\r\033[K", stderr);
    }
}

void ProgressBar::show(size_t done, size_t total) {
    const int percent = total > 0 ? static_cast<int>(done * 100 / total) : 100;
    if (!escape_sequences_.work() || percent == shown_percent_) {
        return;
    }
    shown_percent_ = percent;
    const int width = 40;
    const int filled = width * percent / 100;
    std::string bar(filled, '#');
    bar.resize(width, '.');
    std::fprintf(stderr, "\r\033[K%s%s[%s] %d %%", label_.c_str(), label_.empty() ? "" : " ", bar.c_str(), percent);
    std::fflush(stderr);
}

} // namespace sched_run
