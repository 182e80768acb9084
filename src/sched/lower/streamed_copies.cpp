#include "lower/streamed_copies.h"

#include <algorithm>
#include <optional>

namespace ggml_sched {

using plan::Task;
using plan::TaskKind;

StreamedCopies::StreamedCopies(const CutGraph & graph, const StreamPlan & streams, const InputCopies & inputs,
                               const std::vector<host::Backend> & backends, const Topology & topology,
                               HostIds & host_ids, BankCopies & banks, ProgramBuilder & out)
    : graph_(graph.view)
    , splits_(graph.splits)
    , streams_(streams)
    , inputs_(inputs)
    , backends_(backends)
    , topology_(topology)
    , host_ids_(host_ids)
    , banks_(banks)
    , out_(out)
    , writes_(streams.cache_writes, graph.view)
    , next_free_(streams.rings.size(), 0)
    , next_issue_(streams.rings.size(), 0)
    , streamed_after_(graph.splits.copies.size(), kBeforeTheRun)
    , residency_(graph.splits.copies.size(), nullptr)
    , sent_ahead_(graph.splits.copies.size(), kNoBinding) {}

void StreamedCopies::keep_ids_of_rows() {
    for (const Split & split : splits_.splits) {
        for (const uint32_t input : split.inputs) {
            if (!splits_.copies[input].cache) {
                continue;
            }
            writes_.visit(splits_.copies[input].tensor, split.begin, [&](const CacheWrite & write) {
                if (write.ids != kNoTensor) {
                    host_ids_.read(0, {write.ids, kNoNode});
                }
            });
        }
    }
}

void StreamedCopies::issue_after(int32_t split, int32_t section) {
    for (size_t b = 0; b < streams_.rings.size(); b++) {
        const StreamPlan::Ring & ring = streams_.rings[b];
        for (; next_issue_[b] < ring.order.size(); next_issue_[b]++) {
            const StreamSlot & slot = ring.slots[ring.order[next_issue_[b]]];
            if (slot.issued_after > split) {
                break;
            }
            take_out_of_bank(section, slot);
            stream(section, slot);
        }
        // These may have to wait for the run before. So they are behind what is sent now.
        for (; next_free_[b] < ring.slots.size() && ring.slots[next_free_[b]].free_after <= split; next_free_[b]++) {
            take_out_of_bank(section, ring.slots[next_free_[b]]);
        }
    }
}

void StreamedCopies::stream(int32_t section, const StreamSlot & slot) {
    streamed_after_[slot.copy] = slot.issued_after;
    CopyBinding copy = inputs_.whole(slot.copy);
    const InputCopy & input = splits_.copies[slot.copy];
    copy.streamed = !input.cache;
    copy.cache = input.cache;
    copy.on_stream_lane = true;
    copy.pageable = must_stage(slot.copy);
    if (copy.cache && copy.pageable) {
        note_waiting(slot, copy);
    }
    if (input.ids != kNoTensor && !streams_.whole_experts) {
        const WrittenIds ids = {input.ids, input.ids_node};
        host_ids_.read(section, ids);
        inputs_.name_experts(ids, copy);
    }
    copy.residency = residency_[slot.copy];
    const bool is_copied_aside = input.offered && copy.bytes > 0;
    if (is_copied_aside) {
        out_.reserve_ring(copy);
    }
    const uint32_t binding = out_.bind(copy);
    if (is_copied_aside) {
        out_.push_copy(TaskKind::Snapshot, section, binding);
        sent_ahead_[slot.copy] = binding;
    }
    out_.push_copy(TaskKind::SetAsync, section, binding);
}

void StreamedCopies::take_out_of_bank(int32_t section, const StreamSlot & slot) {
    if (splits_.copies[slot.copy].offered || residency_[slot.copy]) {
        return; // The copy callback may have changed an offered weight.
    }
    CopyBinding copy = inputs_.whole(slot.copy);
    copy.streamed = copy.on_stream_lane = true;
    copy.pageable = must_stage(slot.copy);
    if (const std::optional<Task> task = banks_.take_out(section, copy)) {
        out_.lowered().program.tasks.push_back(*task);
        residency_[slot.copy] = copy.residency;
    }
}

void StreamedCopies::send_what_was_written(int32_t split, uint32_t copy, std::vector<Task> & tasks) {
    if (!splits_.copies[copy].cache) {
        return;
    }
    const int32_t issued = streamed_after_[copy];
    const int32_t copied = issued == kBeforeTheRun ? 0 : splits_.splits[static_cast<size_t>(issued)].end;
    writes_.visit(splits_.copies[copy].tensor, splits_.splits[static_cast<size_t>(split)].begin,
                  [&](const CacheWrite & write) {
                      if (write.index >= copied) { // else the whole copy has it
                          send_written(split, copy, write, tasks);
                      }
                  });
}

void StreamedCopies::send_written(int32_t split, uint32_t index, const CacheWrite & write, std::vector<Task> & tasks) {
    CopyBinding copy = inputs_.whole(index);
    copy.form = CopyForm::WrittenRows;
    copy.writer = write.node;
    copy.written = graph_.tensor(write.node);
    copy.ids = host_ids_.binding_of({write.ids, kNoNode});
    copy.bytes = std::min(copy.bytes, bytes_of(write, graph_));
    copy.pageable = must_stage(index);
    copy.on_stream_lane = streams_.is_urgent(copy.dst_backend, split);
    tasks.push_back(out_.copy_task(TaskKind::SetAsync, split, out_.bind(copy)));
}

void StreamedCopies::note_waiting(const StreamSlot & slot, const CopyBinding & copy) {
    waiting_ = slot.split == waiting_for_ ? waiting_ + copy.bytes : copy.bytes;
    waiting_for_ = slot.split;
    size_t & staged = out_.lowered().staged[topology_.stream_of[copy.dst_backend]];
    staged = streams_.runs_ahead(copy.dst_backend) ? std::max(staged, 2 * waiting_) : staged;
}

bool StreamedCopies::must_stage(uint32_t copy) {
    const InputCopy & input = splits_.copies[copy];
    if (input.offered || topology_.cannot_stage[input.backend]) {
        return false; // the ring is the source, or the backend copies as it can
    }
    const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(input.tensor));
    return !host::is_pinned_for(backends_[input.backend], out_.buffers().of(buffer).facts.memory_type);
}

} // namespace ggml_sched
