// Clock - the time of what the scheduler does: the devices' own clock if they tell it, else the host's.
//
// Threading: as the backends'. now_us() and last_operation() wait for nothing.

#pragma once

#include <vector>

#include "host/query.h"

namespace ggml_sched::host {

struct OperationTimes {
    double start_us;
    double finish_us;
};

class Clock {
  public:
    // It is the devices' where all asynchronous backends tell times of one clock (see ggml-backend-impl.h), and where
    // there are none, but another one does.
    explicit Clock(const std::vector<Backend> & backends);

    bool is_devices() const { return device_clock_ != nullptr; }
    double now_us() const; // from an arbitrary moment on

    // Of what was enqueued last on an asynchronous backend; false if that is not known.
    bool last_operation(const Backend & backend, OperationTimes & times) const;

  private:
    double (*device_clock_)() = nullptr;
    bool (*last_operation_times_)(ggml_backend_t backend, double * start_us, double * finish_us) = nullptr;
};

} // namespace ggml_sched::host
