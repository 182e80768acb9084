#include "lower/lower.h"

#include <algorithm>
#include <optional>

#include "host/tuning.h"
#include "lower/accesses.h"
#include "lower/bank_copies.h"
#include "lower/experts.h"
#include "lower/host_ids.h"
#include "lower/input_copies.h"
#include "lower/later_tasks.h"
#include "lower/merged_copies.h"
#include "lower/offers.h"
#include "lower/program_builder.h"
#include "lower/shared_snapshots.h"
#include "lower/streamed_copies.h"

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
        , inputs_(graph, experts_, host_ids_)
        , banks_(options.banks, graph_, splits_, backends, topology, host_ids_, out_)
        , offers_(graph, backends, out_.buffers(), options.offered, [this](uint32_t copy) { return is_whole(copy); })
        , streamed_(graph, streams, inputs_, backends, topology, host_ids_, banks_, out_)
        , fetched_(splits_.copies.size(), kNoBinding) {
        out_.lowered().program.mode = options.mode;
        out_.lowered().program.observed = options.observed;
        out_.lowered().program.n_splits = static_cast<int>(splits_.splits.size());
    }

    Lowered run() {
        banks_.begin();
        streamed_.keep_ids_of_rows();
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
                streamed_.send_what_was_written(index, input, later_.direct);
                if (splits_.copies[input].offered && inputs_.whole(input).bytes > 0) {
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

    // Adds what is issued before the next split. A device that does not overlap would do what is sent for later splits
    // first, and whoever waits for its results would wait for that, too. So these are fetched before.
    void issue_behind(int32_t split) {
        const int32_t next = split == kBeforeTheRun ? 0 : split + 1;
        const bool fetches = next < out_.lowered().program.n_splits && fetch_for(next);
        streamed_.issue_after(split, fetches ? next : std::max(split, 0));
    }

    // Fetches the inputs of a split from devices that do not overlap. Returns false if there are none.
    bool fetch_for(int32_t split) {
        const size_t n_tasks = out_.lowered().program.tasks.size();
        for (const uint32_t input : splits_.splits[static_cast<size_t>(split)].inputs) {
            const CopyBinding copy = inputs_.whole(input);
            if (is_fetched(copy) && !backends_[copy.src_backend].overlaps) {
                fetch(split, input);
            }
        }
        return out_.lowered().program.tasks.size() > n_tasks;
    }

    // True for copies that begin with one to host memory, by an asynchronous call: to the destination, or to the ring.
    bool is_fetched(const CopyBinding & copy) {
        const bool goes_on =
            !topology_.links[copy.src_backend][copy.dst_backend].async && backends_[copy.dst_backend].set_async;
        return copy.bytes > 0 && !splits_.copies[copy.copy].streamed && !offers_.includes(copy.copy) &&
               !out_.is_host(copy.src) && backends_[copy.src_backend].get_async && (out_.is_host(copy.dst) || goes_on);
    }

    // Adds the copy to host memory, if it has not been added before. Returns its binding.
    uint32_t fetch(int32_t split, uint32_t index) {
        if (fetched_[index] == kNoBinding) {
            CopyBinding copy = inputs_.whole(index);
            if (!out_.is_host(copy.dst)) {
                out_.reserve_ring(copy);
            }
            fetched_[index] = out_.bind(copy);
            out_.push_copy(TaskKind::GetAsync, split, fetched_[index]);
        }
        return fetched_[index];
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
    void restrict_to_ids(CopyBinding & copy) const {
        if (const WrittenIds * needed = experts_.ids_of(copy.copy)) {
            inputs_.name_experts(*needed, copy);
        }
    }

    void lower_copy(int32_t split, uint32_t index) {
        CopyBinding copy = inputs_.whole(index);
        if (copy.bytes == 0) {
            return;
        }
        const host::Backend & dst = backends_[copy.dst_backend];
        const bool from_host = out_.is_host(copy.src);
        const Topology::Link & link = topology_.links[copy.src_backend][copy.dst_backend];

        if (offers_.includes(index)) {
            later_.offers.push_back(index);
        } else if (from_host && dst.set_async) {
            set_from_host(split, copy);
        } else if (is_fetched(copy)) {
            const uint32_t binding = fetch(split, index);
            if (out_.lowered().copies[binding].via_ring) {
                later_.staged.push_back(out_.copy_task(TaskKind::SetAsync, split, binding));
            }
        } else if (!from_host && link.async) {
            later_.direct.push_back(out_.copy_task(TaskKind::CopyAsync, split, out_.bind(copy)));
        } else {
            restrict_to_ids(copy);
            const TaskKind kind = copy.form == CopyForm::NamedExperts ? TaskKind::SetNow : TaskKind::CopyNow;
            tasks_for(copy).push_back(out_.copy_task(kind, split, out_.bind(copy)));
        }
    }

    void set_from_host(int32_t split, CopyBinding copy) {
        const bool is_copied_aside = needs_snapshot(copy.tensor, copy) && !snapshots_.find(copy);
        if (is_copied_aside) {
            out_.reserve_ring(copy);
            snapshots_.note(copy);
        }
        copy.pageable = is_staged(copy);
        restrict_to_ids(copy);
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
        CopyBinding copy = inputs_.whole(index);
        const bool is_async = out_.sets_async(copy);
        copy.sent = streamed_.sent_ahead(index);
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
    InputCopies inputs_;
    BankCopies banks_;
    Offers offers_;
    StreamedCopies streamed_;
    std::vector<uint32_t> fetched_; // by copy: the binding of its copy to host memory; kNoBinding if it has none yet
    LaterTasks later_;              // tasks of the current split
};

} // namespace

Lowered lower(const CutGraph & graph, const AdjacentCopies & adjacent_copies, const StreamPlan & streams,
              const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
              Spaces & spaces) {
    return Lowering(graph, adjacent_copies, streams, backends, topology, options, spaces).run();
}

} // namespace ggml_sched
