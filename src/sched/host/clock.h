// Clock - the times of what the scheduler does, by the devices' own clock if they tell it, else by the host's.
//
// OperationTimes are the times of one operation on a queue. A Clock does not own the backends. One thread at a time may
// use it. now_us() and last_operation() wait for nothing.

#pragma once

#include <vector>

#include "host/query.h"

namespace ggml_sched::host {

// OperationTimes - when an operation began and ended.
struct OperationTimes {
    double start_us;
    double finish_us;
};

// Clock - the clock of one scheduler.
class Clock {
  public:
    // Takes the devices' clock if all asynchronous backends tell times of one clock (see docs/backend-guide.md). If no
    // backend is asynchronous, the clock of any other backend will do.
    explicit Clock(const std::vector<Backend> & backends);

    // True if the times are those of the devices' clock.
    bool is_devices() const { return device_clock_ != nullptr; }
    // Returns the microseconds since an arbitrary moment.
    double now_us() const;

    // Finds the times of what was enqueued last on the backend. Returns false if they are not known.
    bool last_operation(const Backend & backend, OperationTimes & times) const;

  private:
    double (*device_clock_)() = nullptr;
    bool (*last_operation_times_)(ggml_backend_t backend, double * start_us, double * finish_us) = nullptr;
};

} // namespace ggml_sched::host
