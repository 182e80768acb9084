#include "lower/lower.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lower/accesses.h"
#include "lower/experts.h"
#include "lower/merged_copies.h"
#include "lower/shared_snapshots.h"
#include "lower/stream_order.h"

namespace ggml_sched {

namespace {

using plan::Access;
using plan::Task;
using plan::TaskKind;

constexpr size_t kRingAlignment = 256;
// From that size on copies out of pageable memory are staged by several threads; a backend does smaller ones as well.
constexpr size_t kStagedFrom = size_t{1} << 20;

class Lowering {
  public:
    Lowering(const CutGraph & graph, const Followers & followers, const std::vector<StreamSlots> & streams,
             const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
             Spaces & spaces)
        : graph_(graph.view)
        , splits_(graph.splits)
        , slots_(graph.slots)
        , assignment_(graph.assignment)
        , followers_(followers)
        , backends_(backends)
        , topology_(topology)
        , whole_experts_(options.whole_experts)
        , buffers_(spaces)
        , launch_accesses_(graph_, buffers_)
        , experts_(find_experts(graph_, splits_, [this](uint32_t copy) { return is_partial(copy); }))
        , writes_(splits_.cache_writes, graph_)
        , snapshots_(graph_, backends)
        , n_streams_(streams.size())
        , order_(
              splits_, writes_, streams, topology, options.whole_experts,
              [this](uint32_t copy) { return is_pinned(copy); },
              [this](uint32_t copy) { return is_host(graph_.tensor(splits_.copies[copy].tensor)); }) {
        result_.program.mode = options.mode;
        result_.program.observed = options.observed;
        result_.program.n_splits = static_cast<int>(splits_.splits.size());
        streamed_after_.assign(splits_.copies.size(), kBeforeTheRun);
    }

    Lowered run() {
        keep_ids_of_rows();
        stream_after(kBeforeTheRun);
        for (size_t i = 0; i < splits_.splits.size(); i++) {
            lower_split(static_cast<int32_t>(i));
            stream_after(static_cast<int32_t>(i));
        }
        lower_return();
        note_caller_reads();
        return std::move(result_);
    }

  private:
    // Tasks of a split that come after all that goes through the host
    struct Late {
        std::vector<Task> direct;
        std::vector<Task> staged;  // read the ring after another device has written it
        std::vector<Task> experts; // the host waits for the ids

        void clear() {
            direct.clear();
            staged.clear();
            experts.clear();
        }
    };

    // First what goes through the host, then what reads it: so one wait serves all copies from a device.
    void lower_split(int32_t index) {
        const Split & split = splits_.splits[index];
        late_.clear();
        for (size_t i = 0; i < split.inputs.size() && !experts_.empty(); i++) {
            const auto ids = experts_.find(split.inputs[i]);
            if (ids != experts_.end()) {
                fetch_ids(index, ids->second);
            }
        }
        bool reads_streamed = false;
        for (const uint32_t input : split.inputs) {
            if (splits_.copies[input].streamed) {
                reads_streamed = true;
                send_what_was_written(index, input);
            } else {
                lower_copy(index, input);
            }
        }
        merge_neighbours(late_.direct, followers_, result_);
        std::vector<Task> & tasks = result_.program.tasks;
        tasks.insert(tasks.end(), late_.direct.begin(), late_.direct.end());
        // Backwards: the wait for what was fetched last covers the rest.
        tasks.insert(tasks.end(), late_.staged.rbegin(), late_.staged.rend());
        tasks.insert(tasks.end(), late_.experts.begin(), late_.experts.end());

        Task launch = {TaskKind::Launch, lane_of(split.backend)};
        launch.split = index;
        launch.binding = static_cast<uint32_t>(index);
        launch.is_waited_for = reads_streamed; // by the copy that uses its part of the ring next
        begin_accesses(launch);
        launch_accesses_.append(split.begin, split.end, result_.program.accesses);
        push(launch);
        if (result_.program.observed) {
            lower_observe(index);
        }
    }

    void lower_observe(int32_t index) {
        const Split & split = splits_.splits[index];
        Task observe = {TaskKind::Observe, plan::kHost};
        observe.split = index;
        begin_accesses(observe);
        launch_accesses_.append_observed(split.begin, split.end, result_.program.accesses);
        push(observe);
    }

    // Issues what may be streamed once this split has been launched.
    void stream_after(int32_t split) {
        for (size_t backend = 0; backend < n_streams_; backend++) {
            while (const StreamSlot * slot = order_.next(static_cast<BackendId>(backend), split)) {
                streamed_after_[slot->copy] = split;
                stream(std::max(split, 0), *slot);
            }
        }
    }

    // The memory of ids is used for something else once the node that needs them is done.
    void keep_ids_of_rows() {
        for (size_t i = 0; i < splits_.splits.size(); i++) {
            for (const uint32_t input : splits_.splits[i].inputs) {
                if (!splits_.copies[input].cache) {
                    continue;
                }
                writes_.visit(splits_.copies[input].tensor, splits_.splits[i].begin,
                              [&](const CacheWrite & write) { keep_ids(write.ids); });
            }
        }
    }

    void keep_ids(TensorId id) {
        if (id == kNoTensor || fetched({id, kNoNode}) != kNoBinding) {
            return;
        }
        CopyBinding copy = host_binding_for(id);
        reserve_ring(copy);
        push(copy_task(TaskKind::Snapshot, 0, copy));
        ids_[{id, kNoNode}] = binding_of(copy);
    }

    // What has been written into a cache since its copy was issued
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
        copy.writer = write.node;
        copy.written = graph_.tensor(write.node);
        copy.ids = fetched({write.ids, kNoNode});
        copy.bytes = std::min(copy.bytes, bytes_of(write, graph_));
        copy.pageable = !is_pinned(index);
        copy.ahead = order_.is_fed(copy.dst_backend, split);
        late_.direct.push_back(copy_task(TaskKind::SetAsync, split, copy));
    }

    int32_t end_of(int32_t split) const {
        return split == kBeforeTheRun ? 0 : splits_.splits[static_cast<size_t>(split)].end;
    }

    bool is_pinned(uint32_t copy) {
        const InputCopy & input = splits_.copies[copy];
        const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(input.tensor));
        return host::is_pinned_for(backends_[input.backend], buffers_.of(buffer).facts.buft);
    }

    void stream(int32_t section, const StreamSlot & slot) {
        CopyBinding copy = binding_for(slot.copy);
        const InputCopy & input = splits_.copies[slot.copy];
        copy.streamed = !input.cache;
        copy.cache = input.cache;
        copy.ahead = true;
        copy.pageable = !is_pinned(slot.copy);
        if (copy.cache && copy.pageable) {
            note_waiting(slot, copy);
        }
        if (input.ids != kNoTensor && !whole_experts_) {
            const ExpertIds ids = {input.ids, input.ids_node};
            fetch_ids(section, ids);
            copy.ids = fetched(ids);
        }
        push(copy_task(TaskKind::SetAsync, section, copy));
    }

    // Those of one split, and those of the next, may wait for weights. If these have to be copied by the host, too,
    // fewer chunks that stay in its caches are better.
    void note_waiting(const StreamSlot & slot, const CopyBinding & copy) {
        waiting_ = slot.split == waiting_for_ ? waiting_ + copy.bytes : copy.bytes;
        waiting_for_ = slot.split;
        size_t & staged = result_.staged[topology_.stream_of[copy.dst_backend]];
        staged = order_.is_ahead(copy.dst_backend) ? std::max(staged, 2 * waiting_) : staged;
    }

    // Weights in host memory can be sent in parts.
    bool is_partial(uint32_t copy) {
        const InputCopy & input = splits_.copies[copy];
        const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(input.tensor));
        return !input.streamed && buffer && buffers_.of(buffer).facts.host && buffers_.of(buffer).facts.weights &&
               backends_[input.backend].set_async;
    }

    // Once, for all who need these ids; the first split that does fetches them before anything else.
    void fetch_ids(int32_t split, const ExpertIds & ids) {
        if (fetched(ids) != kNoBinding) {
            return;
        }
        CopyBinding copy = host_binding_for(ids.tensor);
        if (!is_host(copy.src)) {
            if (!backends_[copy.src_backend].get_async) {
                return;
            }
            reserve_ring(copy);
            push(copy_task(TaskKind::GetAsync, split, copy));
        }
        ids_[{ids.tensor, ids.written_by}] = binding_of(copy);
    }

    CopyBinding host_binding_for(TensorId id) const {
        ggml_tensor * tensor = graph_.tensor(id);
        const BackendId backend = assignment_.backend[id];
        return {kNoBinding, id, tensor, tensor, backend, backend, ggml_nbytes(tensor), false, 0};
    }

    // The ids by which a copy can be restricted to the experts that are used; kNoBinding if it cannot.
    uint32_t ids_of(uint32_t index) const {
        const auto needed = experts_.find(index);
        return needed == experts_.end() ? kNoBinding : fetched(needed->second);
    }
    uint32_t fetched(const ExpertIds & ids) const {
        const auto found = ids_.find({ids.tensor, ids.written_by});
        return found == ids_.end() ? kNoBinding : found->second;
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
        const InputCopy & input = splits_.copies[index];
        CopyBinding copy = binding_for(index);
        if (copy.bytes == 0) {
            return;
        }
        const host::Backend & src = backends_[copy.src_backend];
        const host::Backend & dst = backends_[copy.dst_backend];
        const bool from_host = is_host(copy.src);
        const Topology::Link & link = topology_.links[copy.src_backend][copy.dst_backend];

        if (from_host && dst.set_async) {
            if (needs_snapshot(input.tensor, copy) && !snapshots_.find(copy)) {
                reserve_ring(copy);
                push(copy_task(TaskKind::Snapshot, split, copy));
                snapshots_.note(copy);
            }
            copy.pageable = is_staged(copy);
            copy.ids = ids_of(index);
            copy.ahead = goes_ahead(split, copy);
            std::vector<Task> & tasks = copy.ids == kNoBinding ? late_.direct : late_.experts;
            tasks.push_back(copy_task(TaskKind::SetAsync, split, copy));
        } else if (!from_host && is_host(copy.dst) && src.get_async) {
            push(copy_task(TaskKind::GetAsync, split, copy));
        } else if (!from_host && link.async) {
            late_.direct.push_back(copy_task(TaskKind::CopyAsync, split, copy));
        } else if (!from_host && src.get_async && dst.set_async) {
            reserve_ring(copy);
            push(copy_task(TaskKind::GetAsync, split, copy));
            late_.staged.push_back(copy_task(TaskKind::SetAsync, split, copy));
        } else {
            late_.direct.push_back(copy_task(TaskKind::CopyNow, split, copy));
        }
    }

    bool is_staged(const CopyBinding & copy) const {
        const host::Backend & dst = backends_[copy.dst_backend];
        return !copy.via_ring && dst.events && copy.bytes >= kStagedFrom &&
               !host::is_pinned_for(dst, source_buft(copy));
    }

    // The host writes the source again while the device may not have read it: the caller its inputs, a CPU split what
    // it computes. In the other modes the host waits for every copy anyway.
    bool needs_snapshot(TensorId id, const CopyBinding & copy) const {
        const bool is_input = graph_.facts(graph_.root(id)) & kIsInput;
        const bool by_host = (graph_.facts(id) & kIsNode) && lane_of(copy.src_backend) == plan::kHost;
        return result_.program.mode == plan::Mode::Auto && (is_input || by_host) &&
               copy.bytes <= topology_.snapshot_limit;
    }

    // What StreamOrder says, and large inputs whose slots take turns; the call must not wait for that queue.
    bool goes_ahead(int32_t split, const CopyBinding & copy) const {
        const BackendId backend = copy.dst_backend;
        const bool takes_turns = copy.via_ring && slots_.n_copies() > 1 && copy.bytes >= topology_.ahead_from &&
                                 topology_.stream_of[backend] != plan::kHost;
        const bool is_fed = copy.ids == kNoBinding && order_.is_fed(backend, split);
        return (takes_turns || is_fed) && (copy.pageable || host::is_pinned_for(backends_[backend], source_buft(copy)));
    }

    void reserve_ring(CopyBinding & copy) {
        copy.via_ring = true;
        copy.ring_offset = result_.ring_bytes;
        if (!result_.copies.empty()) {
            copy.ring_offset = ring_offset_behind(result_.copies.back(), copy, followers_, result_.ring_bytes);
        }
        const size_t end = copy.ring_offset + copy.bytes;
        result_.ring_bytes = (end + kRingAlignment - 1) / kRingAlignment * kRingAlignment;
    }

    Task copy_task(TaskKind kind, int32_t split, const CopyBinding & copy) {
        const plan::Lane src = lane_of(copy.src_backend);
        const plan::Lane dst = lane_of(copy.dst_backend);
        const Access ring = {plan::kRing, false, copy.ring_offset, copy.ring_offset + copy.bytes};
        const bool reads_ring = kind == TaskKind::SetAsync && copy.via_ring;
        const bool writes_ring = kind == TaskKind::Snapshot || (kind == TaskKind::GetAsync && copy.via_ring);
        const Access read = reads_ring ? ring : access_to(copy.src, false, buffers_);
        Access write = writes_ring ? ring : access_to(copy.dst, true, buffers_);

        Task task = {kind, plan::kHost};
        switch (kind) {
        case TaskKind::Snapshot: break;
        case TaskKind::SetAsync:
            task.lane = task.destination = copy.ahead ? topology_.stream_of[copy.dst_backend] : dst;
            task.only_at_call = copy.pageable;
            task.reads_at_call = !host::is_pinned_for(backends_[copy.dst_backend], source_buft(copy));
            result_.staged[task.lane] = std::max<size_t>(result_.staged[task.lane], copy.pageable ? 1 : 0);
            break;
        case TaskKind::GetAsync: task.lane = task.source = src; break;
        case TaskKind::CopyAsync:
            task.order = topology_.links[copy.src_backend][copy.dst_backend].order;
            task.source = src;
            task.destination = dst;
            task.lane = task.order == plan::CopyOrder::InSource ? src : dst;
            break;
        default:
            task.source = src;
            task.destination = dst;
            break;
        }
        write.write = true;
        task.split = split;
        task.bytes = copy.bytes;
        task.binding = binding_of(copy);
        begin_accesses(task);
        result_.program.accesses.push_back(read);
        result_.program.accesses.push_back(write);
        task.n_accesses = 2;
        if (copy.ids != kNoBinding) {
            const CopyBinding & ids = result_.copies[copy.ids];
            const Access fetched = {plan::kRing, false, ids.ring_offset, ids.ring_offset + ids.bytes};
            result_.program.accesses.push_back(ids.via_ring ? fetched : access_to(ids.src, false, buffers_));
            task.n_accesses++;
            task.reads_at_call = true; // the host must know the ids
        }
        return task;
    }

    ggml_backend_buffer_type_t source_buft(const CopyBinding & copy) const {
        return copy.via_ring ? topology_.ring_buft : host::buft_of(host::buffer_of(copy.src));
    }

    // The tasks of one copy share a binding.
    uint32_t binding_of(const CopyBinding & copy) {
        if (result_.copies.empty() || result_.copies.back().dst != copy.dst ||
            result_.copies.back().writer != copy.writer) {
            result_.copies.push_back(copy);
        }
        return static_cast<uint32_t>(result_.copies.size() - 1);
    }

    void lower_return() {
        Task task = {TaskKind::Return, plan::kHost};
        begin_accesses(task);
        append_writes_of_inputs(graph_, buffers_, result_.program.accesses);
        push(task);
    }

    // Results in a device's memory may be read by the caller on that device's queue, at any time before the next run.
    void note_caller_reads() {
        std::vector<plan::CallerRead> & reads = result_.program.caller_reads;
        for (const GraphNode & node : graph_.nodes()) {
            if (!(graph_.facts(node.tensor) & kIsOutput)) {
                continue;
            }
            const plan::Lane lane = lane_of(assignment_.backend[node.tensor]);
            if (lane == plan::kHost) {
                continue;
            }
            const Access access = access_to(graph_.tensor(node.tensor), false, buffers_);
            if (access.begin < access.end) {
                reads.push_back({lane, access});
            }
        }
        std::stable_sort(reads.begin(), reads.end(),
                         [](const plan::CallerRead & a, const plan::CallerRead & b) { return a.lane < b.lane; });
    }

    void begin_accesses(Task & task) const {
        task.first_access = static_cast<uint32_t>(result_.program.accesses.size());
    }
    void push(Task task) {
        task.n_accesses = static_cast<uint32_t>(result_.program.accesses.size()) - task.first_access;
        result_.program.tasks.push_back(task);
    }

    plan::Lane lane_of(BackendId backend) const { return topology_.lane_of[backend]; }
    bool is_host(const ggml_tensor * tensor) {
        const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
        return buffer && buffers_.of(buffer).facts.host;
    }

    const GraphView & graph_;
    const Splits & splits_;
    const Slots & slots_;
    const Assignment & assignment_;
    const Followers & followers_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const bool whole_experts_;
    BufferTable buffers_;
    LaunchAccesses launch_accesses_;
    const ExpertCopies experts_;
    const WritesByCache writes_;
    SharedSnapshots snapshots_;
    const size_t n_streams_; // backends, or 0
    StreamOrder order_;
    std::map<std::pair<TensorId, int32_t>, uint32_t> ids_; // where they are for the host: index into copies
    size_t waiting_ = 0;                                   // bytes of caches
    int32_t waiting_for_ = kBeforeTheRun;
    std::vector<int32_t> streamed_after_; // by copy: the split behind which it was issued
    Late late_;                           // of the split that is being lowered
    Lowered result_;
};

} // namespace

Lowered lower(const CutGraph & graph, const Followers & followers, const std::vector<StreamSlots> & streams,
              const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
              Spaces & spaces) {
    return Lowering(graph, followers, streams, backends, topology, options, spaces).run();
}

} // namespace ggml_sched
