#include "lower/merged_copies.h"

#include "host/tuning.h"

namespace ggml_sched {

namespace {

using plan::Access;
using plan::Task;
using plan::TaskKind;

// Returns the bytes from one tensor to the other.
size_t distance(const ggml_tensor * from, const ggml_tensor * to) {
    return static_cast<size_t>(static_cast<const char *>(to->data) - static_cast<const char *>(from->data));
}

// True if one call can send both copies. The gap between them holds nothing but the padding of quantized tensors.
bool are_side_by_side(const CopyBinding & first, const CopyBinding & next, const AdjacentCopies & adjacent_copies) {
    return first.via_ring && next.via_ring && first.copy != kNoBinding && next.copy != kNoBinding &&
           adjacent_copies[first.copy] == next.copy && first.bytes <= Tuning::kMergedUpTo &&
           next.bytes <= Tuning::kMergedUpTo && !ggml_is_quantized(first.dst->type) &&
           distance(first.dst, next.dst) - first.bytes <= Tuning::kMergedUpTo;
}

// True for a SetAsync out of the ring that the device reads by itself.
bool sends_snapshot(const Task & task) {
    return task.kind == TaskKind::SetAsync && task.n_accesses == 2 && !task.reads_at_call;
}

// Makes both accesses of the task end where those of `by` end.
void extend(Task & task, const Task & by, std::vector<Access> & accesses) {
    for (uint32_t i = 0; i < task.n_accesses; i++) {
        accesses[task.first_access + i].end = accesses[by.first_access + i].end;
    }
    task.bytes = accesses[task.first_access].end - accesses[task.first_access].begin;
}

} // namespace

size_t ring_offset_behind(const CopyBinding & last, const CopyBinding & next, const AdjacentCopies & adjacent_copies,
                          size_t free) {
    return are_side_by_side(last, next, adjacent_copies) ? last.ring_offset + distance(last.dst, next.dst) : free;
}

void merge_neighbours(std::vector<Task> & tasks, const AdjacentCopies & adjacent_copies, Lowered & lowered) {
    std::vector<CopyBinding> & copies = lowered.copies;
    const auto joins = [&](const Task & merged, const Task & task) {
        if (!sends_snapshot(task) || !sends_snapshot(merged) || task.lane != merged.lane ||
            task.binding != merged.binding + copies[merged.binding].n_merged) {
            return false;
        }
        const CopyBinding & last = copies[task.binding - 1];
        const CopyBinding & next = copies[task.binding];
        return are_side_by_side(last, next, adjacent_copies) &&
               next.ring_offset - last.ring_offset == distance(last.dst, next.dst);
    };
    size_t n = 0; // tasks that remain
    for (const Task & task : tasks) {
        if (n > 0 && joins(tasks[n - 1], task)) {
            extend(tasks[n - 1], task, lowered.program.accesses);
            tasks[n - 1].may_be_now = false; // One command for several is as cheap.
            CopyBinding & first = copies[tasks[n - 1].binding];
            first.form = CopyForm::Merged;
            first.n_merged++;
        } else {
            tasks[n++] = task;
        }
    }
    tasks.resize(n);
}

} // namespace ggml_sched
