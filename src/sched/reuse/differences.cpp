#include "reuse/differences.h"

#include <tuple>

namespace ggml_sched {

namespace {

using plan::Access;
using plan::CallerRead;
using plan::Reason;
using plan::Step;
using plan::Task;
using plan::Wait;

// fields() returns all fields of a value, which difference_of() compares.
auto fields(const Access & a) {
    return std::tie(a.space, a.write, a.begin, a.end);
}
auto fields(const CallerRead & r) {
    return std::tuple_cat(std::tie(r.lane), fields(r.bytes));
}
auto fields(const Task & t) {
    return std::tie(t.kind, t.lane, t.source, t.destination, t.order, t.reads_at_call, t.only_at_call, t.may_be_now,
                    t.is_waited_for, t.split, t.binding, t.first_access, t.n_accesses, t.bytes);
}
auto fields(const Reason & r) {
    return std::tuple_cat(std::tie(r.cause, r.task, r.other), fields(r.bytes));
}
auto fields(const Wait & w) {
    return std::tuple_cat(std::tie(w.waiter, w.target, w.age, w.event), fields(w.reason));
}
auto fields(const Step & s) {
    return std::tie(s.kind, s.lane, s.event, s.split, s.task, s.first_wait, s.n_waits, s.is_put_off);
}
auto fields(const CopyBinding & c) {
    return std::tie(c.copy, c.tensor, c.src, c.dst, c.src_backend, c.dst_backend, c.bytes, c.via_ring, c.ring_offset,
                    c.ids, c.streamed, c.cache, c.on_stream_lane, c.pageable, c.writer, c.written, c.sent, c.reader_id,
                    c.reader, c.residency, c.bank, c.n_merged, c.form);
}

// Compares two lists; `what` names their elements.
template <typename List> std::string difference_of(const char * what, const List & kept, const List & fresh) {
    if (kept.size() != fresh.size()) {
        return std::to_string(kept.size()) + " " + what + "s are kept, and there should be " +
               std::to_string(fresh.size());
    }
    for (size_t i = 0; i < fresh.size(); i++) {
        if (fields(kept[i]) != fields(fresh[i])) {
            return std::string(what) + " " + std::to_string(i) + " differs";
        }
    }
    return "";
}

std::string difference_of(const plan::Program & kept, const plan::Program & fresh) {
    if (kept.mode != fresh.mode || kept.observed != fresh.observed || kept.n_splits != fresh.n_splits) {
        return "the mode, the callback or the number of splits differs";
    }
    if (std::string tasks = difference_of("task", kept.tasks, fresh.tasks); !tasks.empty()) {
        return tasks;
    }
    if (std::string accesses = difference_of("access", kept.accesses, fresh.accesses); !accesses.empty()) {
        return accesses;
    }
    return difference_of("read of the caller", kept.caller_reads, fresh.caller_reads);
}

auto fields_of(const StreamedExperts & e) {
    return std::tie(e.batch.n_experts, e.batch.n_used, e.batch.n_tokens, e.backend, e.have_ids, e.bytes);
}

} // namespace

std::string find_difference(const GraphView & graph, const Assignment & kept, const Assignment & fresh) {
    if (kept.backend.size() != fresh.backend.size()) {
        return "a graph of " + std::to_string(kept.backend.size()) + " tensors is kept, and this one has " +
               std::to_string(fresh.backend.size());
    }
    for (TensorId id = 0; id < fresh.backend.size(); id++) {
        if (kept.backend[id] != fresh.backend[id] || kept.cause[id] != fresh.cause[id]) {
            return std::string("tensor '") + graph.tensor(id)->name + "' is kept on backend " +
                   std::to_string(kept.backend[id]) + " (" + cause_name(kept.cause[id]) + "), and belongs on " +
                   std::to_string(fresh.backend[id]) + " (" + cause_name(fresh.cause[id]) + ")";
        }
    }
    return kept.readers_elsewhere == fresh.readers_elsewhere ? "" : "other nodes read what is elsewhere";
}

std::string find_difference(const GraphView & graph, const Splits & kept, const Splits & fresh) {
    for (size_t i = 0; i < fresh.copies.size() && i < kept.copies.size(); i++) {
        if (kept.copies[i].tensor != fresh.copies[i].tensor || kept.copies[i].streamed != fresh.copies[i].streamed) {
            return std::string("copy ") + std::to_string(i) + " is kept of '" +
                   graph.tensor(kept.copies[i].tensor)->name + "', and should be of '" +
                   graph.tensor(fresh.copies[i].tensor)->name + "', or travel in another way";
        }
    }
    if (!are_alike(kept, fresh)) {
        return std::to_string(kept.splits.size()) + " splits are kept, and " + std::to_string(fresh.splits.size()) +
               " splits with other inputs are right";
    }
    return "";
}

std::string find_difference(const StreamedInputs & kept, const StreamedInputs & fresh) {
    if (!(kept.cache_writes == fresh.cache_writes)) {
        return "other nodes write caches";
    }
    return fields_of(kept.experts) == fields_of(fresh.experts) ? "" : "the streamed experts differ";
}

std::string find_difference(const StreamPlan & kept, const StreamPlan & fresh) {
    for (size_t b = 0; b < fresh.rings.size() && b < kept.rings.size(); b++) {
        const StreamPlan::Ring & ring = kept.rings[b];
        const StreamPlan::Ring & now = fresh.rings[b];
        if (!(ring == now)) {
            const char * what = ring.slots == now.slots   ? "the order of the copies"
                                : ring.bytes == now.bytes ? "a weight, its size or its place"
                                                          : "the size of the ring";
            return std::string(what) + " of backend " + std::to_string(b) + " differs";
        }
    }
    const bool is_same = kept.rings.size() == fresh.rings.size() && kept.cache_writes == fresh.cache_writes &&
                         kept.whole_experts == fresh.whole_experts &&
                         fields_of(kept.experts) == fields_of(fresh.experts);
    return is_same ? "" : "other inputs are streamed";
}

std::string find_difference(const Lowered & kept, const Lowered & fresh) {
    if (std::string program = difference_of(kept.program, fresh.program); !program.empty()) {
        return program;
    }
    if (std::string copies = difference_of("copy", kept.copies, fresh.copies); !copies.empty()) {
        return copies;
    }
    return kept.ring_bytes == fresh.ring_bytes && kept.staged == fresh.staged ? "" : "the ring or the staging differs";
}

std::string find_difference(const plan::Plan & kept, const plan::Plan & fresh) {
    if (std::string program = difference_of(kept.program, fresh.program); !program.empty()) {
        return program;
    }
    if (std::string steps = difference_of("step", kept.steps, fresh.steps); !steps.empty()) {
        return steps;
    }
    if (std::string waits = difference_of("wait", kept.waits, fresh.waits); !waits.empty()) {
        return waits;
    }
    return kept.n_events == fresh.n_events ? "" : "the numbers of events differ";
}

} // namespace ggml_sched
