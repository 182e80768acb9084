// Callbacks - the functions that schedulers call back in a sequence: they compare what they see with the model, and
// call the scheduler themselves.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "world.h"

namespace sequences {

// Notes what has happened in the call that runs now
struct RunSeen {
    int slot = -1;     // the graph that is computed
    size_t n_done = 0; // nodes that the model has computed
    int n_shown = 0;   // nodes that the eval callback was shown
    bool is_stopped = false;
    bool is_undefined = false; // something fails in this run, so nothing is compared
    std::vector<int> resets;   // schedulers that a callback has reset
    std::string wrong;         // the first thing that is not as it should be
};

class Callbacks {
  public:
    explicit Callbacks(World & world);

    void begin(int slot); // of the graph that a call computes; -1: it computes none
    RunSeen & seen() { return seen_; }
    // For ggml_log_set: notes which calls were refused. Prints to the file, if there is one.
    static void take_log(ggml_log_level level, const char * text, void * file);

    void set_eval(int s, const CallbackSpec & spec);
    void set_copy(int s, const CallbackSpec & spec);
    void set_realloc(int s, const CallbackSpec & spec);

    // Computes on the model what is left of the run's graph.
    void finish_run();

  private:
    struct Handle {
        Callbacks * callbacks;
        int sched;
    };

    static bool eval(ggml_tensor * tensor, bool ask, void * user_data);
    static bool copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                     void * user_data);
    static void realloc(ggml_backend_sched_t sched, ggml_cgraph * graph, bool backend_ids_changed, bool size_changed,
                        void * user_data);

    bool asks_for(const CallbackSpec & spec, const ggml_tensor * tensor);
    bool show(int s, const CallbackSpec & spec, const ggml_tensor * tensor);
    void compute_until(const ggml_tensor * tensor);
    size_t index_of(const ggml_tensor * tensor) const; // among the graph's nodes
    void call_inside(int s, Inside inside);
    void call_allowed(int s, Inside inside);
    bool is_refused(int s, Inside inside, ggml_cgraph * graph, ggml_tensor * node);
    void note(const std::string & wrong);

    World & world_;
    RunSeen seen_;
    bool has_called_ = false; // in this run
    std::array<Handle, kMaxScheds> handles_;
    std::array<CallbackSpec, kMaxScheds> eval_; // as the running call began with
};

// Calls every function that only answers. "" if the answers make sense.
std::string call_getters(const World & world, int s);

std::string trace_path(int s);

} // namespace sequences
