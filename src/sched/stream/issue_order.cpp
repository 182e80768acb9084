#include "stream/issue_order.h"

#include <algorithm>

#include "host/tuning.h"

namespace ggml_sched {

namespace {

constexpr size_t kNever = SIZE_MAX;

// IssueOrder - goes through the run split by split, and issues each copy as early as it may go.
class IssueOrder {
  public:
    IssueOrder(StreamPlan & plan, const GraphView & graph, const Splits & splits, const Assignment & assignment,
               const std::vector<host::Backend> & backends, const Topology & topology)
        : plan_(plan)
        , graph_(graph)
        , splits_(splits)
        , assignment_(assignment)
        , backends_(backends)
        , topology_(topology)
        , writes_(plan.cache_writes, graph)
        , queues_(plan.rings.size()) {}

    void run() {
        bool streams_any = false;
        for (size_t b = 0; b < queues_.size(); b++) {
            fill(queues_[b], plan_.rings[b]);
            plan_.rings[b].runs_ahead = runs_ahead(queues_[b]);
            streams_any = streams_any || !plan_.rings[b].slots.empty();
        }
        if (!streams_any) {
            return;
        }
        find_urgent();
        for (int32_t split = kBeforeTheRun; split < n_splits(); split++) {
            for (size_t b = 0; b < queues_.size(); b++) {
                issue_after(split, static_cast<BackendId>(b));
            }
        }
    }

  private:
    // Queue - the copies that are to be issued to one backend
    struct Queue {
        std::vector<uint32_t> weights; // slots of all weights, and of caches in pinned memory
        std::vector<uint32_t> caches;  // slots of caches in pageable memory
        size_t next = 0;               // index of the first of `weights` that has not been issued
        size_t next_cache = 0;         // index of the first of `caches` that has not been issued
        size_t launched = 0;           // how many of `weights` belong to splits that have been launched
        size_t issued_bytes = 0;       // bytes of the weights that are issued and whose split is not launched
        size_t prefetch_distance = 0;  // issued_bytes at which weights of later splits wait for the next urgent split
    };

    int32_t n_splits() const { return static_cast<int32_t>(splits_.splits.size()); }
    const Split & split_at(int32_t split) const { return splits_.splits[static_cast<size_t>(split)]; }
    const StreamSlot & slot_at(BackendId backend, uint32_t slot) const { return plan_.rings[backend].slots[slot]; }

    // True if the device reads the source of the copy by itself.
    bool is_pinned(const StreamSlot & slot) const {
        const InputCopy & input = splits_.copies[slot.copy];
        return input.offered || // An offered weight is sent out of the ring of snapshots, which is pinned.
               host::is_pinned_for(backends_[input.backend],
                                   host::memory_type_of(host::buffer_of(graph_.tensor(input.tensor))));
    }

    // True if the copy is made out of host memory. The graph need not be allocated yet.
    bool is_from_host(uint32_t copy) const {
        const TensorId id = graph_.root(splits_.copies[copy].tensor);
        const ggml_backend_buffer_t buffer = host::buffer_of(graph_.tensor(id));
        const BackendId backend = assignment_.backend[id];
        return buffer ? host::is_host(buffer)
                      : backend != kNoBackend && ggml_backend_buft_is_host(backends_[backend].buft);
    }

    bool is_of_host(int32_t split) const { return topology_.lane_of[split_at(split).backend] == plan::kHost; }

    // Sorts the slots of a ring into a queue. The prefetch distance is the ring's size until find_urgent() divides it.
    void fill(Queue & queue, const StreamPlan::Ring & ring) {
        for (uint32_t i = 0; i < ring.slots.size(); i++) {
            const StreamSlot & slot = ring.slots[i];
            const bool waits = splits_.copies[slot.copy].cache && !is_pinned(slot);
            (waits ? queue.caches : queue.weights).push_back(i);
            queue.prefetch_distance = std::max(queue.prefetch_distance, slot.offset + slot.size);
        }
    }

    // Returns StreamPlan::Ring::runs_ahead.
    bool runs_ahead(const Queue & queue) const {
        const auto backend = static_cast<BackendId>(&queue - queues_.data());
        if (queue.weights.empty()) {
            return !queue.caches.empty();
        }
        const StreamSlot & first = slot_at(backend, queue.weights.front());
        return is_pinned(first) && is_known(first, kBeforeTheRun);
    }

    // Returns true if the host knows what to copy once the split has been launched.
    bool is_known(const StreamSlot & slot, int32_t split) const {
        return plan_.whole_experts || slot.known_after <= split;
    }

    // Finds the urgent splits: the first split of each backend, and the first one after each time that the host
    // computes.
    void find_urgent() {
        std::vector<size_t> urgent_at(queues_.size(), kNever); // host splits before the backend's last urgent split
        std::vector<bool> after_host(queues_.size(), false); // true if the host computes before the first urgent split
        size_t n_host_splits = 0;
        for (int32_t i = 0; i < n_splits(); i++) {
            const BackendId backend = split_at(i).backend;
            std::vector<int32_t> & urgent = plan_.rings[backend].urgent;
            n_host_splits += is_of_host(i) ? 1 : 0;
            if (urgent_at[backend] != n_host_splits && plan_.rings[backend].runs_ahead && needs_others(i)) {
                after_host[backend] = after_host[backend] || (urgent.empty() && n_host_splits > 0);
                urgent_at[backend] = n_host_splits;
                urgent.push_back(i);
            }
        }
        for (size_t b = 0; b < queues_.size(); b++) {
            queues_[b].prefetch_distance /= plan_.rings[b].urgent.size() > 1 ? Tuning::kRingToPrefetchDistanceOfMany
                                            : after_host[b]                  ? Tuning::kRingToPrefetchDistanceOfHost
                                                                             : Tuning::kRingToPrefetchDistance;
        }
    }

    // Returns true if the split needs copies from the host beside the weights and the old contents of caches.
    bool needs_others(int32_t split) const {
        const Split & needs = split_at(split);
        return std::any_of(needs.inputs.begin(), needs.inputs.end(), [&](uint32_t input) {
            const InputCopy & copy = splits_.copies[input];
            return copy.streamed ? copy.cache && writes_.any(copy.tensor, needs.begin) : is_from_host(input);
        });
    }

    // Issues the copies that may go once the split has been launched.
    void issue_after(int32_t split, BackendId backend) {
        Queue & queue = queues_[backend];
        while (true) {
            if (queue.next < queue.weights.size() && may_issue_weight(backend, split)) {
                queue.issued_bytes += slot_at(backend, queue.weights[queue.next]).size;
                issue(backend, queue.weights[queue.next++], split);
            } else if (queue.next_cache < queue.caches.size() && may_issue_cache(backend, split)) {
                issue(backend, queue.caches[queue.next_cache++], split);
            } else {
                return;
            }
        }
    }

    void issue(BackendId backend, uint32_t slot, int32_t split) {
        plan_.rings[backend].slots[slot].issued_after = split;
        plan_.rings[backend].order.push_back(slot);
    }

    bool may_issue_weight(BackendId backend, int32_t split) {
        Queue & queue = queues_[backend];
        const StreamSlot & slot = slot_at(backend, queue.weights[queue.next]);
        const auto is_near = [&] { return slot.split <= split + 1 || is_pinned(slot); };
        return has_room(slot, split) && is_near() && is_in_the_lead(backend, slot, split);
    }

    bool may_issue_cache(BackendId backend, int32_t split) const {
        const Queue & queue = queues_[backend];
        const StreamSlot & slot = slot_at(backend, queue.caches[queue.next_cache]);
        return slot.split <= next_of(backend, split) && has_room(slot, split);
    }

    // Returns true if the slot is free, and if the host knows what to copy, once the split has been launched.
    bool has_room(const StreamSlot & slot, int32_t split) const {
        return slot.free_after <= split && is_known(slot, split);
    }

    // Returns true if the weight goes before the next urgent split. The last such weight may exceed the prefetch
    // distance.
    bool is_in_the_lead(BackendId backend, const StreamSlot & slot, int32_t split) {
        Queue & queue = queues_[backend];
        for (; queue.launched < queue.next; queue.launched++) {
            const StreamSlot & issued = slot_at(backend, queue.weights[queue.launched]);
            if (issued.split > split) {
                break;
            }
            queue.issued_bytes -= issued.size;
        }
        const std::vector<int32_t> & urgent = plan_.rings[backend].urgent;
        const auto next = std::upper_bound(urgent.begin(), urgent.end(), split);
        return next == urgent.end() || slot.split <= *next || queue.issued_bytes < queue.prefetch_distance;
    }

    // Returns the next split. If the host computes the next split, returns the next split of the backend.
    int32_t next_of(BackendId backend, int32_t split) const {
        int32_t next = split + 1;
        while (next < n_splits() && is_of_host(split + 1) && split_at(next).backend != backend) {
            next++;
        }
        return next;
    }

    StreamPlan & plan_;
    const GraphView & graph_;
    const Splits & splits_;
    const Assignment & assignment_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const WritesByCache writes_;
    std::vector<Queue> queues_; // by backend
};

} // namespace

void find_issue_order(StreamPlan & plan, const GraphView & graph, const Splits & splits, const Assignment & assignment,
                      const std::vector<host::Backend> & backends, const Topology & topology) {
    IssueOrder(plan, graph, splits, assignment, backends, topology).run();
}

} // namespace ggml_sched
