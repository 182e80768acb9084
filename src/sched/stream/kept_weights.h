// KeptWeights - the weights that a ring holds, so that they need not be copied again. Only for callers who promise that
// weights do not change: nothing tells a scheduler when somebody writes them.
//
// A weight is known by its address in host memory, its copy by its address in the ring. All copies to a ring have to be
// noted in the order in which they are enqueued.

#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace ggml_sched {

class KeptWeights {
  public:
    // A weight on its way to the ring; the parts of it (experts) are equally large.
    struct Copy {
        const char * dst;
        const void * src;
        size_t bytes;
        size_t n_parts;
    };

    // Notes that these parts of a weight will be in the ring. Leaves in `parts` the parts that are not there yet.
    void add(const Copy & copy, std::vector<bool> & parts);
    // Notes that something else is copied to these bytes of the ring.
    void overwrite(const char * dst, size_t bytes);
    void forget() { weights_.clear(); }

  private:
    struct Weight {
        const void * src;
        const char * end; // in the ring
        std::vector<bool> parts;
    };

    Weight & place(const Copy & copy);

    std::map<const char *, Weight> weights_; // by begin in the ring; they do not overlap
};

} // namespace ggml_sched
