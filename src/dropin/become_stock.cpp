#include "become_stock.h"

#include <new>
#include <string>
#include <vector>

#include "ggml-sched.h"
#include "host/log.h"
#include "host/switches.h"
#include "reserved.h"
#include "saved_graph.h"

GGML_SCHED_DECLARE_BOTH(new)
GGML_SCHED_DECLARE_BOTH(free)
GGML_SCHED_DECLARE_BOTH(set_tensor_backend)
GGML_SCHED_DECLARE_BOTH(alloc_graph)
GGML_SCHED_DECLARE_BOTH(synchronize)

extern "C" decltype(ggml_sched_unalloc_graph) ggml_ours_sched_unalloc_graph;

namespace ggml_sched {

namespace {

using Make = decltype(ggml_backend_sched_new);

ggml_backend_sched_t make(Make * function, Arguments & arguments) {
    return function(arguments.backends.data(), arguments.bufts.empty() ? nullptr : arguments.bufts.data(),
                    static_cast<int>(arguments.backends.size()), arguments.graph_size, arguments.parallel,
                    arguments.op_offload);
}

// Puts a scheduler into the wrapper, and tells it the engine's callbacks and assignments.
void use(ggml_backend_sched & sched, ggml_backend_sched_t scheduler, bool is_ours) {
    sched.scheduler = scheduler;
    sched.is_ours = is_ours;
    for (const Callback & callback : {sched.callbacks.eval, sched.callbacks.copy, sched.callbacks.realloc}) {
        if (callback.give) {
            callback.give(sched);
        }
    }
    for (const auto & [tensor, backend] : sched.record.assignments) {
        call(ggml_stock_sched_set_tensor_backend, ggml_ours_sched_set_tensor_backend, &sched, tensor, backend);
    }
}

// Allocates the graph of the record and puts its contents back. Returns false if it cannot be allocated.
bool allocate(ggml_backend_sched & sched, const SavedGraph & saved) {
    if (!sched.record.graph) {
        return true;
    }
    saved.keep_inputs();
    const bool allocated = call(ggml_stock_sched_alloc_graph, ggml_ours_sched_alloc_graph, &sched, sched.record.graph);
    saved.restore_flags();
    if (allocated) {
        saved.restore_contents();
    }
    return allocated;
}

// Makes a scheduler of ours again. The one before was freed to make room for the memory of ggml's.
void use_ours_again(ggml_backend_sched & sched, const SavedGraph & saved, const std::string & function) {
    sched.scheduler = make(ggml_ours_sched_new, sched.record.arguments);
    sched.is_ours = true;
    const std::string failure =
        function + " did nothing: ggml's scheduler, which alone has it, got no memory for the graph";
    if (!sched.scheduler) {
        sched.record.reset();
        host::log_error(failure + ", and ggml-sched's could not be made again. Free this scheduler and make another.");
        return;
    }
    use(sched, sched.scheduler, true);
    if (!allocate(sched, saved)) {
        sched.record.reset();
        host::log_error(failure + ", nor did ggml-sched's. Free memory and allocate the graph again.");
        return;
    }
    host::log_error(failure + ". The scheduler stays ggml-sched's, with the defaults of what ggml-sched.h can set.");
}

// Makes the wrapper's scheduler ggml's own. Returns false, with an error in the log, if it stays ours.
bool switch_to_stock(ggml_backend_sched & sched, const std::string & function) {
    const Running running(&sched); // Allocating may call the engine back.
    const ggml_backend_sched_t ours = sched.scheduler;
    ggml_ours_sched_synchronize(ours);
    SavedGraph saved(sched.record.graph, sched.record.inputs);
    const ggml_backend_sched_t stock = make(ggml_stock_sched_new, sched.record.arguments);
    if (!stock) {
        host::log_error(function + " did nothing: ggml's scheduler, which alone has it, could not be made.");
        return false;
    }
    const std::vector<size_t> sizes = buffer_sizes_of(sched);
    ggml_ours_sched_unalloc_graph(ours);
    saved.note_tensors();
    ggml_ours_sched_free(ours);
    sched.scheduler = stock;
    reserve_sizes(sched, sizes);
    use(sched, stock, false);
    if (!allocate(sched, saved)) {
        saved.restore_tensors();
        ggml_stock_sched_free(stock);
        use_ours_again(sched, saved, function);
        return false;
    }
    sched.record = {}; // A scheduler of ggml's needs no record.
    host::log_warning(function + " is a function of ggml's scheduler alone: this scheduler is ggml's own from now on. "
                                 "Set GGML_SCHED=ours to keep ggml-sched's, without the function.");
    host::announce_scheduler(("ggml's own, instead of ggml-sched's, because " + function + " was called").c_str());
    return true;
}

bool can_become_stock(const ggml_backend_sched * sched, const std::string & function) {
    if (!sched) {
        host::log_error(function + ": the scheduler is NULL");
        return false;
    }
    if (sched->is_ours && sched->stays_ours) {
        host::log_error(function +
                        " did nothing: it is a function of ggml's scheduler alone, and GGML_SCHED=ours keeps "
                        "ggml-sched's. Unset GGML_SCHED, or set it to stock.");
        return false;
    }
    if (sched->is_ours && sched->n_running > 0) {
        host::log_error(function + " did nothing: it is a function of ggml's scheduler alone, and this scheduler is "
                                   "running. Call it outside of callbacks, or set GGML_SCHED=stock.");
        return false;
    }
    return true;
}

} // namespace

bool become_stock(const char * function, std::initializer_list<const ggml_backend_sched *> schedulers) {
    try {
        for (const ggml_backend_sched * sched : schedulers) {
            if (!can_become_stock(sched, function)) {
                return false;
            }
        }
        for (const ggml_backend_sched * sched : schedulers) {
            // A header may declare the handle as const. The wrapper that it points to is not const.
            if (sched->is_ours && !switch_to_stock(const_cast<ggml_backend_sched &>(*sched), function)) {
                return false;
            }
        }
        return true;
    } catch (const std::bad_alloc &) {
        host::log_error(std::string(function) + " did nothing: out of host memory");
        return false;
    }
}

} // namespace ggml_sched
