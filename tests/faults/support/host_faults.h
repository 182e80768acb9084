// HostFault - lets one allocation of host memory, or one start of a thread, fail.
//
// The test program replaces operator new and pthread_create. Only calls of the thread that made the fault count. The
// thread sanitizer replaces both itself: under it no such call is counted, and none fails.

#pragma once

#include <cstdint>

namespace ggml_sched::test {

enum class HostCall { Allocate, StartThread };

class HostFault {
  public:
    // Lets the n-th of the thread's next such calls fail, once. 0: none fails, and all are counted. One at a time.
    HostFault(HostCall call, uint64_t n);
    ~HostFault();
    HostFault(const HostFault &) = delete;
    HostFault & operator=(const HostFault &) = delete;

    uint64_t n_calls() const; // so far
    bool has_fired() const { return n_ > 0 && n_calls() >= n_; }

  private:
    const uint64_t n_;
};

// Calls do not count while this exists: those of the test itself.
class HostFaultPause {
  public:
    HostFaultPause();
    ~HostFaultPause();
    HostFaultPause(const HostFaultPause &) = delete;
    HostFaultPause & operator=(const HostFaultPause &) = delete;
};

} // namespace ggml_sched::test
