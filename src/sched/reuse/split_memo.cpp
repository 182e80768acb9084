#include "reuse/split_memo.h"

#include <algorithm>
#include <string>
#include <utility>

#include "reuse/differences.h"

namespace ggml_sched {

Status Cutter::cut(const UserAssignments & user, const StreamLimits & limits, bool offers) {
    if (is_cut_ && ignored_.has(KeyField::Structure)) {
        return {}; // the numbers may be those of another graph: nothing else may be looked at
    }
    PlacedByUser by_user = placed_by_user(view_, user);
    const bool is_assigned = is_assigned_alike(by_user, limits, offers);
    StreamedLayout streamed;
    if (is_assigned && is_streamed_alike(streamed)) {
        version_ = view_.version();
        return {};
    }
    if (is_assigned && is_cut_alike(streamed)) {
        version_ = view_.version();
        streamed_ = std::move(streamed);
        streamed_number_ += ignored_.has(KeyField::StreamedNumber) ? 0 : 1;
        return {};
    }
    if (!is_assigned) {
        is_cut_ = false;
        splits_ = {};
        earlier_.clear();
        if (Status status = assign(view_, backends_, by_user, assign_options(), assignment_); !status.ok()) {
            return status;
        }
    }
    Splits splits = split(view_, backends_, assignment_, options_.rotates, limits, offers);
    const auto cpu = static_cast<BackendId>(backends_.size() - 1);
    if (const ggml_tensor * tensor = find_address_without_buffer(view_, splits, assignment_, cpu)) {
        is_cut_ = false;
        return Status::failed(std::string("tensor '") + tensor->name +
                              "' has an address and no buffer, so only the CPU can use it; make its context with "
                              "no_alloc, or put it into a buffer (ggml_backend_cpu_buffer_from_ptr)");
    }
    if (!is_assigned || !are_alike(splits, splits_)) {
        number(splits);
        streamed = limits.empty() ? StreamedLayout{} : streamed_layout(splits, view_, backends_);
    }
    splits_ = std::move(splits);
    version_ = view_.version();
    by_user_ = std::move(by_user);
    limits_ = limits;
    offers_ = offers;
    streamed_ = std::move(streamed);
    streamed_number_++;
    is_cut_ = true;
    return {};
}

// The first micro-batch of a prompt is often split in another way than those that follow, and than what was reserved.
void Cutter::number(const Splits & splits) {
    constexpr size_t kMostEarlier = 3;
    if (is_cut_) {
        earlier_.push_back({std::move(splits_), number_});
    }
    const auto known = std::find_if(earlier_.begin(), earlier_.end(),
                                    [&](const Numbered & earlier) { return are_alike(earlier.splits, splits); });
    if (known != earlier_.end()) {
        number_ = known->number;
        earlier_.erase(known);
        return;
    }
    number_ = ++last_number_;
    if (earlier_.size() > kMostEarlier) {
        earlier_.erase(earlier_.begin());
    }
}

// Is this graph assigned as the last one? Parameters, layout and places matter only to the backends.
bool Cutter::is_assigned_alike(const PlacedByUser & by_user, const StreamLimits & limits, bool offers) {
    const GraphVersion & now = view_.version();
    const auto is_same = [this](bool same, KeyField field) { return same || ignored_.has(field); };
    if (!is_cut_ || now.structure != version_.structure || !is_same(by_user == by_user_, KeyField::UserAssignments) ||
        !is_same(limits == limits_, KeyField::StreamLimits) || !is_same(offers == offers_, KeyField::SplitOffers)) {
        return false;
    }
    return (now.layout == version_.layout && now.parameters == version_.parameters && now.place == version_.place) ||
           is_same(assignment_.questions.have_same_answers(backends_, view_), KeyField::Answers);
}

// And if so, is it split in the same way? Layout matters only to streaming: a cache that grows, or other ids.
// If not, `now` is what is streamed with the last graph's splits.
bool Cutter::is_streamed_alike(StreamedLayout & now) const {
    if (view_.version().layout == version_.layout || limits_.empty() || ignored_.has(KeyField::StreamedSizes)) {
        return true;
    }
    now = streamed_layout(splits_, view_, backends_);
    return now == streamed_;
}

// And if not, do these sizes lead to the same splits?
bool Cutter::is_cut_alike(const StreamedLayout & now) const {
    return now.weights == streamed_.weights && now.batches == streamed_.batches &&
           splits_.decisions.hold_for(view_, backends_, splits_.cache_writes);
}

void Cutter::forget() noexcept {
    is_cut_ = false;
    earlier_.clear();
    view_.forget();
    graph_proof_.forget();
}

std::string Cutter::find_stale(const ggml_cgraph * graph, const UserAssignments & user, const StreamLimits & limits,
                               bool offers) {
    if (std::string difference = graph_proof_.check(view_, graph); !difference.empty()) {
        return "graph: " + difference;
    }
    Assignment fresh;
    if (Status status = assign(view_, backends_, placed_by_user(view_, user), assign_options(), fresh); !status.ok()) {
        return "assignment: " + status.message;
    }
    if (std::string difference = find_difference(view_, assignment_, fresh); !difference.empty()) {
        return "assignment: " + difference;
    }
    const Splits splits = split(view_, backends_, fresh, options_.rotates, limits, offers);
    const std::string difference = find_difference(view_, splits_, splits);
    return difference.empty() ? "" : "splits: " + difference;
}

BackendId Cutter::backend_of(const ggml_tensor * tensor) const {
    const TensorId id = view_.ids().find(tensor);
    return id != kNoTensor && id < assignment_.backend.size() ? assignment_.backend[id] : kNoBackend;
}

} // namespace ggml_sched
