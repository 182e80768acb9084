// Decides what executes when it need not. Everything it does follows from the seed and the order of the calls.
// Threading: under the simulator's mutex.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ggml_sched::sim {

// How a queue is treated for a while: extreme skews between queues find more than fair dice.
enum class Temper { Starved, Mixed, Eager };

class Adversary {
  public:
    void set_seed(uint64_t seed);
    bool is_lazy() const { return seed_ == 0; } // executes nothing unasked

    uint64_t next();
    uint64_t below(uint64_t n) { return next() % n; } // n > 0
    bool one_in(uint64_t n) { return below(n) == 0; }

    Temper draw_temper();
    // How many operations of a queue may execute now, if they are ready
    size_t draw_steps(Temper temper);
    // Another number for each allocation, not drawn from the sequence above
    uint64_t next_garbage();

  private:
    uint64_t seed_ = 0;
    uint64_t state_ = 0;
    uint64_t n_garbage_ = 0;
};

} // namespace ggml_sched::sim
