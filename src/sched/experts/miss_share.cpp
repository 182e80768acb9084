#include "experts/miss_share.h"

#include <algorithm>

#include "host/tuning.h"

namespace ggml_sched {

void MissShare::note_upload(BackendId backend, double us, size_t bytes) {
    const double us_per_byte = us / static_cast<double>(bytes);
    double & known = link_us_[backend];
    known = known > 0.0 ? std::min(known, us_per_byte) : us_per_byte;
}

// The first runs also pay for what happens once, such as reading weights from a file.
void MissShare::note_cpu(double us, size_t bytes) {
    if (bytes == 0 || us <= 0.0) {
        n_since_ = std::min(n_since_ + 1, Tuning::kMeasureEach);
        return;
    }
    n_since_ = 0;
    n_measured_++;
    const double us_per_byte = us / static_cast<double>(bytes);
    const bool is_first = n_measured_ <= Tuning::kFirstRuns;
    cpu_us_ = is_first ? us_per_byte : cpu_us_ + (us_per_byte - cpu_us_) * Tuning::kNewestOfCpu;
}

bool MissShare::is_cpu_measured() const {
    return n_measured_ >= Tuning::kFirstRuns;
}

int MissShare::n_uploaded(BackendId backend, int n_missing) const {
    if (forced_percent_ >= 0) {
        return (n_missing * forced_percent_ + 50) / 100;
    }
    const double link_us = link_us_[backend];
    if (link_us <= 0.0 || !is_cpu_measured() || n_since_ >= Tuning::kMeasureEach) {
        return 0;
    }
    int best = 0;
    for (int n = 1; n <= n_missing; n++) {
        const auto done_at = [&](int n_sent) { return std::max((n_missing - n_sent) * cpu_us_, n_sent * link_us); };
        best = done_at(n) < done_at(best) ? n : best;
    }
    return best;
}

} // namespace ggml_sched
