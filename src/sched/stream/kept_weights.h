// KeptWeights - the weights that a ring holds, so that they need not be copied again. Callers who use it promise that
// weights do not change: nothing tells a scheduler when somebody writes them.
//
// A weight is known by its address in host memory, and its copy by its address in the ring. All copies to a ring are
// noted in the order in which they are enqueued, by the one thread that enqueues them. KeptWeights owns only this list.

#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace ggml_sched {

class KeptWeights {
  public:
    // Copy - a weight that is copied to the ring. Its parts, such as experts, are equally large.
    struct Copy {
        const char * dst; // address in the ring
        const void * src; // address in host memory
        size_t bytes;
        size_t n_parts;
    };

    // Notes that the ring will hold these parts of a weight. Leaves in `parts` the parts that it does not hold yet.
    void add(const Copy & copy, std::vector<bool> & parts);
    // Notes that something else is copied to these bytes of the ring.
    void overwrite(const char * dst, size_t bytes);
    // Notes that the ring holds nothing.
    void forget() { weights_.clear(); }

  private:
    // Weight - a weight in the ring, with the parts of it that are there
    struct Weight {
        const void * src;
        const char * end; // end of the copy in the ring
        std::vector<bool> parts;
    };

    Weight & place(const Copy & copy);

    std::map<const char *, Weight> weights_; // by address in the ring; the weights do not overlap
};

} // namespace ggml_sched
