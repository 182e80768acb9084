// CopyEngine - what makes the copies between host memory and a device in one direction, one at a time, for all queues
// of the device. On the virtual clock only: it changes no result.
//
// Whoever was enqueued first goes first; later ones take the gaps. So an engine that has enough to do keeps a late copy
// waiting, however small it is.
// Threading: under the simulator's mutex.

#pragma once

#include <map>

namespace ggml_sched::sim {

class CopyEngine {
  public:
    // When a copy starts that could start at ready_us. Nothing will be asked for before now_us any more.
    double reserve(double now_us, double ready_us, double cost_us); // throws std::bad_alloc
    void reset() { busy_.clear(); }

  private:
    std::map<double, double> busy_; // from, until; they do not overlap
};

} // namespace ggml_sched::sim
