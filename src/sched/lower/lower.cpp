#include "lower/lower.h"

#include <algorithm>
#include <optional>

#include "host/tuning.h"
#include "lower/accesses.h"
#include "lower/bank_copies.h"
#include "lower/experts.h"
#include "lower/host_ids.h"
#include "lower/later_tasks.h"
#include "lower/merged_copies.h"
#include "lower/offers.h"
#include "lower/program_builder.h"
#include "lower/shared_snapshots.h"

namespace ggml_sched {

namespace {

using plan::Task;
using plan::TaskKind;

// Lowering - lowers one run.
class Lowering {
  public:
    Lowering(const CutGraph & graph, const AdjacentCopies & adjacent_copies, const StreamPlan & streams,
             const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
             Spaces & spaces)
        : graph_(graph.view)
        , splits_(graph.splits)
        , slots_(graph.slots)
        , assignment_(graph.assignment)
        , adjacent_copies_(adjacent_copies)
        , backends_(backends)
        , topology_(topology)
        , streams_(streams)
        , offered_(options.offered)
        , limits_(options.limits)
        , out_(backends, topology, adjacent_copies, spaces)
        , launch_accesses_(graph_, out_.buffers())
        , experts_(graph_, splits_, [this](uint32_t copy) { return is_partial(copy); })
        , snapshots_(graph_, backends)
        , host_ids_(graph_, assignment_, backends, snapshots_, out_)
        , banks_(options.banks, graph_, splits_, backends, topology, host_ids_, out_)
        , offers_(graph, backends, out_.buffers(), options.offered, [this](uint32_t copy) { return is_whole(copy); })
        , writes_(streams.cache_writes, graph_)
        , next_free_(streams.rings.size(), 0)
        , next_issue_(streams.rings.size(), 0) {
        out_.lowered().program.mode = options.mode;
        out_.lowered().program.observed = options.observed;
        out_.lowered().program.n_splits = static_cast<int>(splits_.splits.size());
        streamed_after_.assign(splits_.copies.size(), kBeforeTheRun);
        sent_ahead_.assign(splits_.copies.size(), kNoBinding);
        residency_.assign(splits_.copies.size(), nullptr);
    }

    Lowered run() {
        banks_.begin();
        keep_ids_of_rows();
        issue_behind(kBeforeTheRun);
        for (size_t i = 0; i < splits_.splits.size(); i++) {
            lower_split(static_cast<int32_t>(i));
            issue_behind(static_cast<int32_t>(i));
        }
        lower_return();
        out_.lowered().program.caller_reads = reads_of_caller(graph_, assignment_, topology_, out_.buffers());
        return out_.take();
    }

  private:
    // Adds the tasks of a split: first what goes through the host, then what reads it. One wait serves several copies.
    void lower_split(int32_t index) {
        const Split & split = splits_.splits[index];
        later_.clear();
        banks_.before_launch(index);
        for (const uint32_t input : split.inputs) {
            if (const WrittenIds * ids = experts_.ids_of(input)) {
                host_ids_.read(index, *ids);
            }
        }
        bool reads_streamed = false;
        for (const uint32_t input : split.inputs) {
            if (splits_.copies[input].streamed) {
                reads_streamed = true;
                send_what_was_written(index, input);
                if (splits_.copies[input].offered && binding_for(input).bytes > 0) {
                    later_.offers.push_back(input);
                }
            } else {
                lower_copy(index, input);
            }
        }
        merge_neighbours(later_.direct, adjacent_copies_, out_.lowered());
        std::vector<Task> & tasks = out_.lowered().program.tasks;
        tasks.insert(tasks.end(), later_.direct.begin(), later_.direct.end());
        // The order is backwards, since the wait for what was fetched last covers the rest.
        tasks.insert(tasks.end(), later_.staged.rbegin(), later_.staged.rend());
        tasks.insert(tasks.end(), later_.experts.begin(), later_.experts.end());
        for (const uint32_t copy : later_.offers) {
            lower_offer(index, copy, copy == later_.offers.front());
        }

        Task launch = {TaskKind::Launch, out_.lane_of(split.backend)};
        launch.split = index;
        launch.binding = static_cast<uint32_t>(index);
        launch.is_waited_for = reads_streamed; // the next copy to the ring waits for it
        out_.begin(launch);
        launch_accesses_.append(split.begin, split.end, out_.accesses());
        out_.push(launch);
        banks_.behind_launch(index);
        if (out_.lowered().program.observed) {
            lower_observe(index);
        }
    }

    void lower_observe(int32_t index) {
        const Split & split = splits_.splits[index];
        Task observe = {TaskKind::Observe, plan::kHost};
        observe.split = index;
        out_.begin(observe);
        launch_accesses_.append_observed(split.begin, split.end, out_.accesses());
        out_.push(observe);
    }

    // Adds what is issued before the next split. The host waits for what it fetches. A device that copies in the order
    // of the calls would send the weights of later splits first, so these come behind.
    void issue_behind(int32_t split) {
        const int32_t next = split == kBeforeTheRun ? 0 : split + 1;
        const bool fetches = next < out_.lowered().program.n_splits && fetch_for(next);
        stream_after(split, fetches ? next : std::max(split, 0));
    }

    // Adds the copies out of devices' memory that the host needs for a split. Returns false if there are none.
    bool fetch_for(int32_t split) {
        const size_t n_tasks = out_.lowered().program.tasks.size();
        for (const uint32_t input : splits_.splits[static_cast<size_t>(split)].inputs) {
            if (is_fetched(input)) {
                out_.push_copy(TaskKind::GetAsync, split, out_.bind(binding_for(input)));
            }
        }
        return out_.lowered().program.tasks.size() > n_tasks;
    }

    // True for copies from a device to the host by an asynchronous call.
    bool is_fetched(uint32_t index) {
        const CopyBinding copy = binding_for(index);
        return copy.bytes > 0 && !splits_.copies[index].streamed && !offers_.includes(index) &&
               !out_.is_host(copy.src) && out_.is_host(copy.dst) && backends_[copy.src_backend].get_async;
    }

    // Adds the streamed copies that may be issued once this split has been launched, to the tasks of split `section`.
    void stream_after(int32_t split, int32_t section) {
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
            for (; next_free_[b] < ring.slots.size() && ring.slots[next_free_[b]].free_after <= split;
                 next_free_[b]++) {
                take_out_of_bank(section, ring.slots[next_free_[b]]);
            }
        }
    }

    // Takes snapshots of the ids of caches. Their memory may be reused when the node that reads them is done.
    void keep_ids_of_rows() {
        for (size_t i = 0; i < splits_.splits.size(); i++) {
            for (const uint32_t input : splits_.splits[i].inputs) {
                if (!splits_.copies[input].cache) {
                    continue;
                }
                writes_.visit(splits_.copies[input].tensor, splits_.splits[i].begin, [&](const CacheWrite & write) {
                    if (write.ids != kNoTensor) {
                        host_ids_.read(0, {write.ids, kNoNode});
                    }
                });
            }
        }
    }

    // Adds copies of what nodes have written into a cache since its own copy was issued.
    void send_what_was_written(int32_t split, uint32_t index) {
        if (!splits_.copies[index].cache) {
            return;
        }
        writes_.visit(splits_.copies[index].tensor, splits_.splits[static_cast<size_t>(split)].begin,
                      [&](const CacheWrite & write) {
                          if (write.index >= end_of(streamed_after_[index])) { // else the whole copy has it
                              send_written(split, index, write);
                          }
                      });
    }

    void send_written(int32_t split, uint32_t index, const CacheWrite & write) {
        CopyBinding copy = binding_for(index);
        copy.form = CopyForm::WrittenRows;
        copy.writer = write.node;
        copy.written = graph_.tensor(write.node);
        copy.ids = host_ids_.binding_of({write.ids, kNoNode});
        copy.bytes = std::min(copy.bytes, bytes_of(write, graph_));
        copy.pageable = must_stage(index);
        copy.on_stream_lane = streams_.is_urgent(copy.dst_backend, split);
        later_.direct.push_back(out_.copy_task(TaskKind::SetAsync, split, out_.bind(copy)));
    }

    int32_t end_of(int32_t split) const {
        return split == kBeforeTheRun ? 0 : splits_.splits[static_cast<size_t>(split)].end;
    }

    // True if the copy goes in chunks because the device cannot read the source by itself.
    bool must_stage(uint32_t copy) {
        const InputCopy & input = splits_.copies[copy];
        if (input.offered || topology_.cannot_stage[input.backend]) {
            return false; // the ring is the source, or the backend copies as it can
        }
        const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(input.tensor));
        return !host::is_pinned_for(backends_[input.backend], out_.buffers().of(buffer).facts.memory_type);
    }

    void stream(int32_t section, const StreamSlot & slot) {
        streamed_after_[slot.copy] = slot.issued_after;
        CopyBinding copy = binding_for(slot.copy);
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
            name_experts(slot.copy, ids, copy);
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

    // Adds the copy of experts that the device has in a bank, if it has not been added before.
    void take_out_of_bank(int32_t section, const StreamSlot & slot) {
        if (splits_.copies[slot.copy].offered || residency_[slot.copy]) {
            return; // The copy callback may have changed an offered weight.
        }
        CopyBinding copy = binding_for(slot.copy);
        copy.streamed = copy.on_stream_lane = true;
        copy.pageable = must_stage(slot.copy);
        if (const std::optional<Task> task = banks_.take_out(section, copy)) {
            out_.lowered().program.tasks.push_back(*task);
            residency_[slot.copy] = copy.residency;
        }
    }

    // Notes the bytes of caches that may wait in chunks behind weights. Other copies need few chunks.
    void note_waiting(const StreamSlot & slot, const CopyBinding & copy) {
        waiting_ = slot.split == waiting_for_ ? waiting_ + copy.bytes : copy.bytes;
        waiting_for_ = slot.split;
        size_t & staged = out_.lowered().staged[topology_.stream_of[copy.dst_backend]];
        staged = streams_.runs_ahead(copy.dst_backend) ? std::max(staged, 2 * waiting_) : staged;
    }

    // True for weights in host memory, which can be sent in parts.
    bool is_partial(uint32_t copy) {
        const InputCopy & input = splits_.copies[copy];
        if (offered_ == Offered::AllWeights) {
            return false;
        }
        const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(input.tensor));
        return !input.streamed && buffer && out_.buffers().of(buffer).facts.host &&
               out_.buffers().of(buffer).facts.weights;
    }

    bool is_whole(uint32_t copy) const {
        const InputCopy & input = splits_.copies[copy];
        return input.streamed ? input.offered : !experts_.ids_of(copy);
    }

    // Names the ids that say which experts are used, if the copy can be restricted to them.
    void restrict_to_ids(uint32_t index, CopyBinding & copy) const {
        if (const WrittenIds * needed = experts_.ids_of(index)) {
            name_experts(index, *needed, copy);
        }
    }

    void name_experts(uint32_t index, const WrittenIds & ids, CopyBinding & copy) const {
        copy.ids = host_ids_.binding_of(ids);
        copy.form = copy.ids == kNoBinding ? CopyForm::Whole : CopyForm::NamedExperts;
        note_reader(index, copy);
    }

    // Notes the node that a message names if its ids are wrong.
    void note_reader(uint32_t index, CopyBinding & copy) const {
        copy.reader_id = copy.ids == kNoBinding ? kNoTensor : experts_.reader_of(index);
        copy.reader = copy.reader_id == kNoTensor ? nullptr : graph_.tensor(copy.reader_id);
    }

    CopyBinding binding_for(uint32_t index) const {
        const InputCopy & input = splits_.copies[index];
        CopyBinding copy = {index,
                            input.tensor,
                            graph_.tensor(input.tensor),
                            slots_.of(index),
                            assignment_.backend[input.tensor],
                            input.backend,
                            0,
                            false,
                            0};
        copy.bytes = ggml_nbytes(copy.dst);
        return copy;
    }

    void lower_copy(int32_t split, uint32_t index) {
        CopyBinding copy = binding_for(index);
        if (copy.bytes == 0 || is_fetched(index)) {
            return;
        }
        const host::Backend & src = backends_[copy.src_backend];
        const host::Backend & dst = backends_[copy.dst_backend];
        const bool from_host = out_.is_host(copy.src);
        const Topology::Link & link = topology_.links[copy.src_backend][copy.dst_backend];

        if (offers_.includes(index)) {
            later_.offers.push_back(index);
        } else if (from_host && dst.set_async) {
            set_from_host(split, index, copy);
        } else if (!from_host && link.async) {
            later_.direct.push_back(out_.copy_task(TaskKind::CopyAsync, split, out_.bind(copy)));
        } else if (!from_host && src.get_async && dst.set_async) {
            out_.reserve_ring(copy);
            const uint32_t binding = out_.bind(copy);
            out_.push_copy(TaskKind::GetAsync, split, binding);
            later_.staged.push_back(out_.copy_task(TaskKind::SetAsync, split, binding));
        } else {
            restrict_to_ids(index, copy);
            const TaskKind kind = copy.form == CopyForm::NamedExperts ? TaskKind::SetNow : TaskKind::CopyNow;
            tasks_for(copy).push_back(out_.copy_task(kind, split, out_.bind(copy)));
        }
    }

    void set_from_host(int32_t split, uint32_t index, CopyBinding copy) {
        const bool is_copied_aside = needs_snapshot(copy.tensor, copy) && !snapshots_.find(copy);
        if (is_copied_aside) {
            out_.reserve_ring(copy);
            snapshots_.note(copy);
        }
        copy.pageable = is_staged(copy);
        restrict_to_ids(index, copy);
        copy.on_stream_lane = goes_on_stream_lane(split, copy);
        if (const std::optional<Task> from_bank = copy.via_ring ? std::nullopt : banks_.take_out(split, copy)) {
            tasks_for(copy).push_back(*from_bank);
        }
        const uint32_t binding = out_.bind(copy);
        if (is_copied_aside) {
            out_.push_copy(TaskKind::Snapshot, split, binding);
        }
        tasks_for(copy).push_back(out_.copy_task(TaskKind::SetAsync, split, binding));
    }

    std::vector<Task> & tasks_for(const CopyBinding & copy) {
        return copy.form == CopyForm::NamedExperts ? later_.experts : later_.direct;
    }

    // Adds an Offer. A small weight goes through the ring, so that the callback may write it again at once.
    void lower_offer(int32_t split, uint32_t index, bool is_first) {
        CopyBinding copy = binding_for(index);
        const bool is_async = out_.sets_async(copy);
        copy.sent = sent_ahead_[index];
        if (is_async && copy.bytes <= std::min(Tuning::kSmallTable, limits_.snapshot)) {
            out_.reserve_ring(copy);
        }
        copy.pageable = is_async && is_staged(copy);
        Task task = out_.copy_task(TaskKind::Offer, split, out_.bind(copy));
        offers_.append_writes(copy.dst_backend, out_.lowered().program);
        if (is_first) { // the others are behind it on the same lane
            const Split & to = splits_.splits[static_cast<size_t>(split)];
            launch_accesses_.append_inputs(to.begin, to.end, out_.accesses());
        }
        out_.push(task);
    }

    bool is_staged(const CopyBinding & copy) {
        const host::Backend & dst = backends_[copy.dst_backend];
        return !copy.via_ring && dst.events && copy.bytes >= Tuning::kStagedFrom &&
               !topology_.cannot_stage[copy.dst_backend] && !out_.reads_pinned(copy);
    }

    // True if the source may be written again before the device has read it. Other modes wait for every copy anyway.
    bool needs_snapshot(TensorId id, const CopyBinding & copy) const {
        const bool is_input = graph_.facts(graph_.root(id)) & kIsInput;
        const bool by_host = (graph_.facts(id) & kIsNode) && out_.lane_of(copy.src_backend) == plan::kHost;
        return out_.lowered().program.mode == plan::Mode::Auto && (is_input || by_host) &&
               copy.bytes <= (is_input ? limits_.snapshot : limits_.host_snapshot);
    }

    // True for copies of urgent splits and for large inputs if n_copies > 1, if the call need not wait for the queue.
    bool goes_on_stream_lane(int32_t split, const CopyBinding & copy) {
        const BackendId backend = copy.dst_backend;
        const bool takes_turns = copy.via_ring && slots_.n_copies() > 1 && copy.bytes >= limits_.stream_lane_from &&
                                 topology_.stream_of[backend] != plan::kHost;
        const bool is_urgent = copy.ids == kNoBinding && streams_.is_urgent(backend, split);
        return (takes_turns || is_urgent) && (copy.pageable || out_.reads_pinned(copy));
    }

    void lower_return() {
        Task task = {TaskKind::Return, plan::kHost};
        out_.begin(task);
        append_writes_of_inputs(graph_, out_.buffers(), out_.accesses());
        append_writes_of_registered(graph_, splits_, out_.buffers(), out_.accesses());
        out_.push(task);
    }

    const GraphView & graph_;
    const Splits & splits_;
    const Slots & slots_;
    const Assignment & assignment_;
    const AdjacentCopies & adjacent_copies_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const StreamPlan & streams_;
    const Offered offered_;
    const CopyLimits limits_;
    ProgramBuilder out_;
    LaunchAccesses launch_accesses_;
    const ExpertCopies experts_;
    SharedSnapshots snapshots_;
    HostIds host_ids_;
    BankCopies banks_;
    Offers offers_;
    const WritesByCache writes_;
    std::vector<size_t> next_free_;  // by backend: the next slot of its ring that has no room yet
    std::vector<size_t> next_issue_; // by backend: the next entry of its ring's order
    size_t waiting_ = 0;             // bytes of the caches of split waiting_for_
    int32_t waiting_for_ = kBeforeTheRun;
    std::vector<int32_t> streamed_after_;            // by copy: the split behind which it was issued
    std::vector<const ExpertResidency *> residency_; // by copy: what its bank has; NULL if it has none
    std::vector<uint32_t> sent_ahead_;               // by copy: the binding by which an offered weight was streamed
    LaterTasks later_;                               // tasks of the current split
};

} // namespace

Lowered lower(const CutGraph & graph, const AdjacentCopies & adjacent_copies, const StreamPlan & streams,
              const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
              Spaces & spaces) {
    return Lowering(graph, adjacent_copies, streams, backends, topology, options, spaces).run();
}

} // namespace ggml_sched
