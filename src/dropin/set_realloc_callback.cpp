// Not every ggml declares this function. The file is built for those that do.

#include "choice.h"

GGML_SCHED_DECLARE_BOTH(set_realloc_callback)

namespace {

// Setter - finds the type of the callback, whatever its name is, and of the graph, which may be const.
template <typename Function> struct Setter;
template <typename Graph>
struct Setter<void(ggml_backend_sched_t, void (*)(ggml_backend_sched_t, Graph *, bool, bool, void *), void *)> {
    using Callback = void (*)(ggml_backend_sched_t sched, Graph * graph, bool backend_ids_changed, bool size_changed,
                              void * user_data);

    // Calls the engine's callback with the handle that the engine knows. `user_data` is the wrapper.
    static void tell_engine(ggml_backend_sched_t, Graph * graph, bool backend_ids_changed, bool size_changed,
                            void * user_data) {
        const auto sched = static_cast<ggml_backend_sched_t>(user_data);
        const ggml_sched::Callback & callback = sched->callbacks.realloc;
        reinterpret_cast<Callback>(callback.function)(sched, graph, backend_ids_changed, size_changed,
                                                      callback.user_data);
    }
};
using ReallocSetter = Setter<decltype(ggml_backend_sched_set_realloc_callback)>;

void give(ggml_backend_sched & sched) {
    const auto callback = sched.callbacks.realloc.function ? ReallocSetter::tell_engine : nullptr;
    ggml_sched::call(ggml_stock_sched_set_realloc_callback, ggml_ours_sched_set_realloc_callback, &sched, callback,
                     static_cast<void *>(&sched));
}

} // namespace

void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched, ReallocSetter::Callback callback,
                                             void * user_data) {
    if (!sched) {
        ggml_ours_sched_set_realloc_callback(nullptr, callback, user_data); // It logs that the scheduler is NULL.
        return;
    }
    ggml_sched::set_callback(*sched, sched->callbacks.realloc, give, callback, user_data);
}
