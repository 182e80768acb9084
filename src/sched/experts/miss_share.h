// MissShare - how many of the missing experts of a layer are uploaded, while the CPU computes the others.
//
// Both sides work at the same time, so the layer waits for the later one. With n missing experts, of which u are
// uploaded, that is max((n - u) * cpu, u * link). Both times are measured: the link when banks are filled, the CPU in
// runs. Until the CPU is measured it computes all of them, and it does so again now and then.
//
// It knows numbers alone. One thread at a time.

#pragma once

#include <cstddef>
#include <vector>

#include "graph/backend_id.h"

namespace ggml_sched {

class MissShare {
  public:
    explicit MissShare(size_t n_backends)
        : link_us_(n_backends, 0.0) {}

    // Notes an upload to a device. The shortest counts: others may have waited for a file.
    void note_upload(BackendId backend, double us, size_t bytes);
    // Notes how long the CPU was busy with so many bytes of missing experts in a run; 0 bytes if it computed none.
    void note_cpu(double us, size_t bytes);
    // Returns how many of the missing experts of a layer are uploaded to a device.
    int n_uploaded(BackendId backend, int n_missing) const;
    // Returns how long the upload of so many bytes takes; 0 if the link is not measured.
    double upload_us(BackendId backend, size_t bytes) const { return link_us_[backend] * static_cast<double>(bytes); }
    bool is_cpu_measured() const;
    // Returns how long the CPU takes for so many bytes of experts; 0 if it is not measured.
    double cpu_us(size_t bytes) const { return is_cpu_measured() ? cpu_us_ * static_cast<double>(bytes) : 0.0; }
    // Lets this part of the missing experts be uploaded, in percent, whatever is measured; -1: as measured.
    void force(int percent) { forced_percent_ = percent; }

  private:
    std::vector<double> link_us_; // by backend: microseconds for a byte; 0: not known
    double cpu_us_ = 0.0;         // microseconds for a byte
    int n_measured_ = 0;          // runs in which the CPU has computed some
    int n_since_ = 0;             // runs since the CPU last computed some
    int forced_percent_ = -1;
};

} // namespace ggml_sched
