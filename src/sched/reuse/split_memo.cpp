#include "reuse/split_memo.h"

#include <string>
#include <utility>

#include "reuse/differences.h"

namespace ggml_sched {

Status SplitMemo::cut(const UserAssignments & user, const StreamLimits & limits, bool offers) {
    if (is_assigned_ && ignored_.has(KeyField::Structure)) {
        return {}; // The numbers may be those of another graph, so nothing else of it may be looked at.
    }
    PlacedByUser by_user = placed_by_user(graph_, user);
    if (!is_assigned_ || !is_assigned_alike(by_user, limits, offers)) {
        forget_cuts();
        cut_ = std::make_shared<Cut>();
        if (Status status = assign(graph_, backends_, by_user, assign_options(), assignment_); !status.ok()) {
            return status;
        }
        by_user_ = std::move(by_user);
        limits_ = limits;
        offers_ = offers;
    }
    answered_ = graph_.number();
    version_ = graph_.version();
    if (const std::shared_ptr<Cut> * kept = find_cut()) {
        if (cut_ != *kept) {
            cut_ = *kept;
        }
        return {};
    }
    Cut made = make_cut(assignment_, limits, offers);
    const auto cpu = static_cast<BackendId>(backends_.size() - 1);
    if (const ggml_tensor * tensor = find_address_without_buffer(graph_, *made.splits, assignment_, cpu)) {
        forget_cuts();
        return Status::failed(std::string("tensor '") + tensor->name +
                              "' has an address and no buffer, so only the CPU can use it; make its context with "
                              "no_alloc, or put it into a buffer (ggml_backend_cpu_buffer_from_ptr)");
    }
    keep(std::move(made));
    is_assigned_ = true;
    return {};
}

// Returns true if this graph is assigned as the last one. Parameters, layout and places matter only to the answers of
// the backends.
bool SplitMemo::is_assigned_alike(const PlacedByUser & by_user, const StreamLimits & limits, bool offers) const {
    const auto is_same = [this](bool same, KeyField field) { return same || ignored_.has(field); };
    const GraphVersion & now = graph_.version();
    if (now.structure != version_.structure || !is_same(by_user == by_user_, KeyField::UserAssignments) ||
        !is_same(limits == limits_, KeyField::StreamLimits) || !is_same(offers == offers_, KeyField::SplitOffers)) {
        return false;
    }
    return (now.layout == version_.layout && now.parameters == version_.parameters && now.place == version_.place) ||
           is_same(assignment_.answers.have_same_answers(backends_, graph_, graph_, answered_), KeyField::Answers);
}

// Returns the kept cut that is good for this graph; NULL if there is none. Several are kept: the first micro-batch of a
// prompt is often split in another way than later ones, and than the graph that was reserved.
const std::shared_ptr<SplitMemo::Cut> * SplitMemo::find_cut() {
    return cuts_.find([this](uint64_t & layout, const std::shared_ptr<Cut> & cut) {
        const bool fits = layout == version_.layout || is_cut_alike(*cut);
        layout = fits ? version_.layout : layout;
        return fits;
    });
}

// Returns true if the graph, whose layout may differ, would be split in this way. Layout matters only to streaming: a
// cache that grows, or other ids.
bool SplitMemo::is_cut_alike(Cut & cut) const {
    if (limits_.empty() || ignored_.has(KeyField::StreamedSizes)) {
        return true;
    }
    StreamedSizes now = ggml_sched::streamed_sizes(*cut.splits, cut.streamed.cache_writes, graph_, backends_);
    if (now == cut.sizes) {
        return true;
    }
    const bool is_alike = now.weights == cut.sizes.weights && now.batches == cut.sizes.batches &&
                          cut.streamed.decisions.hold_for(graph_, backends_, cut.streamed.cache_writes);
    if (is_alike) {
        cut.sizes = std::move(now);
    }
    return is_alike;
}

// Splits the graph.
SplitMemo::Cut SplitMemo::make_cut(const Assignment & assignment, const StreamLimits & limits, bool offers) const {
    Cut cut;
    if (limits.empty()) {
        CutPolicy policy(graph_, backends_, assignment, offers);
        cut.splits = std::make_shared<const Splits>(split(graph_, backends_, assignment, options_.parallel, policy));
        return cut;
    }
    StreamCuts policy(graph_, backends_, assignment, limits, offers);
    cut.splits = std::make_shared<const Splits>(split(graph_, backends_, assignment, options_.parallel, policy));
    cut.streamed = policy.take();
    cut.sizes = ggml_sched::streamed_sizes(*cut.splits, cut.streamed.cache_writes, graph_, backends_);
    return cut;
}

// Keeps a cut. If equal splits are kept, the cut gets their object, and replaces what else was found for them.
void SplitMemo::keep(Cut made) {
    cut_ = std::make_shared<Cut>(std::move(made));
    std::shared_ptr<Cut> * const alike = cuts_.find([&](uint64_t & layout, const std::shared_ptr<Cut> & cut) {
        const bool is =
            are_alike(*cut->splits, *cut_->splits) && cut->streamed.cache_writes == cut_->streamed.cache_writes;
        layout = is ? version_.layout : layout;
        return is;
    });
    if (alike) {
        cut_->splits = (*alike)->splits;
        *alike = cut_;
    } else {
        cuts_.add(version_.layout, cut_);
    }
}

// Lets the next graph be assigned and split anew.
void SplitMemo::forget_cuts() noexcept {
    is_assigned_ = false;
    cuts_.forget();
}

void SplitMemo::forget() noexcept {
    forget_cuts();
    graph_.clear();
    graph_.forget();
    graph_proof_.forget();
}

std::string SplitMemo::find_stale(const ggml_cgraph * graph, const UserAssignments & user, const StreamLimits & limits,
                                  bool offers) {
    if (std::string difference = graph_proof_.check(graph_, graph_, graph); !difference.empty()) {
        return "graph: " + difference;
    }
    Assignment fresh;
    if (Status status = assign(graph_, backends_, placed_by_user(graph_, user), assign_options(), fresh);
        !status.ok()) {
        return "assignment: " + status.message;
    }
    if (std::string difference = find_difference(graph_, assignment_, fresh); !difference.empty()) {
        return "assignment: " + difference;
    }
    const Cut cut = make_cut(fresh, limits, offers);
    std::string difference = find_difference(graph_, *cut_->splits, *cut.splits);
    if (difference.empty()) {
        difference = find_difference(cut_->streamed, cut.streamed);
    }
    return difference.empty() ? "" : "splits: " + difference;
}

BackendId SplitMemo::backend_of(const ggml_tensor * tensor) const {
    const TensorId id = graph_.ids().find(tensor);
    return id != kNoTensor && id < assignment_.backend.size() ? assignment_.backend[id] : kNoBackend;
}

} // namespace ggml_sched
