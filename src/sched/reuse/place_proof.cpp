#include "reuse/place_proof.h"

#include <algorithm>
#include <map>
#include <utility>

#include "host/operations.h"

namespace ggml_sched {

namespace {

// Owner - whose value some bytes hold. Tensors have the first numbers, copies the next ones, and values of other copy
// indices the last ones.
using Owner = uint32_t;

// Bytes - the bytes of all pools, and whose value each of them holds
class Bytes {
  public:
    // Gives bytes a new value.
    void write(const Place & place, size_t size, Owner owner) {
        Segments & segments = parts_[{place.pool, place.range.part}];
        const size_t begin = place.range.offset;
        cut(segments, begin);
        cut(segments, begin + size);
        segments.erase(segments.lower_bound(begin), segments.lower_bound(begin + size));
        segments[begin] = {begin + size, owner};
    }

    // Returns `owner` if all bytes hold its value, else the owner of the first other byte; kNobody if it has none.
    Owner other_in(const Place & place, size_t size, Owner owner) const {
        const auto part = parts_.find({place.pool, place.range.part});
        size_t at = place.range.offset;
        const size_t end = at + size;
        while (at < end) {
            const auto next = part == parts_.end() ? Segments::const_iterator{} : part->second.upper_bound(at);
            if (part == parts_.end() || next == part->second.begin() || std::prev(next)->second.end <= at) {
                return kNobody;
            }
            const Segment & segment = std::prev(next)->second;
            if (segment.owner != owner) {
                return segment.owner;
            }
            at = segment.end;
        }
        return owner;
    }

    static constexpr Owner kNobody = UINT32_MAX;

  private:
    // Segment - bytes of one owner that lie together
    struct Segment {
        size_t end;
        Owner owner;
    };
    using Segments = std::map<size_t, Segment>; // by first byte; segments do not overlap

    // Cuts the segment around a byte into two, of which the second begins with this byte.
    static void cut(Segments & segments, size_t at) {
        const auto next = segments.upper_bound(at);
        if (next == segments.begin()) {
            return;
        }
        const auto segment = std::prev(next);
        if (segment->first < at && segment->second.end > at) {
            segments[at] = {segment->second.end, segment->second.owner};
            segment->second.end = at;
        }
    }

    std::map<std::pair<BackendId, uint32_t>, Segments> parts_; // by pool and part
};

// Play - plays a graph node by node, and notes the first fault.
class Play {
  public:
    Play(const MemoryPlan & plan, const CutGraph & graph, const std::vector<AllocDependency> & dependencies,
         const std::vector<host::Backend> & backends)
        : plan_(plan)
        , graph_(graph)
        , view_(graph.view)
        , backends_(backends)
        , n_(static_cast<Owner>(graph.view.n_tensors()))
        , n_copies_(static_cast<size_t>(graph.slots.n_copies()))
        , cur_copy_(static_cast<size_t>(graph.slots.cur_copy()))
        , places_(n_ + graph.splits.copies.size())
        , copy_of_operand_(view_.operands().size(), kNoCopy)
        , has_reader_(n_, false)
        , is_computed_(n_, false) {
        for (const AllocDependency & dependency : dependencies) {
            kept_until_.emplace(dependency.until, dependency.kept < n_ ? view_.root(dependency.kept) : dependency.kept);
        }
    }

    std::string run() {
        if (plan_.tensors.size() != n_ || plan_.copies.size() != graph_.splits.copies.size() * n_copies_ ||
            plan_.rotated_inputs.size() != graph_.splits.rotated_inputs.size() * n_copies_) {
            return "the places are those of another graph";
        }
        find_places();
        write_what_is_there();
        for (const Split & split : graph_.splits.splits) {
            copy_inputs(split);
            for (int i = split.begin; i < split.end && fault_.empty(); i++) {
                const GraphNode & node = view_.nodes()[static_cast<size_t>(i)];
                compute(node);
                is_computed_[node.tensor] = true;
                check_dependencies(node.tensor);
            }
        }
        check_what_stays();
        return fault_;
    }

  private:
    static constexpr uint32_t kNoCopy = UINT32_MAX;

    // Placed - the place of a tensor or a copy, and the bytes that it needs
    struct Placed {
        Place place;
        size_t size = 0;

        bool is_known() const { return place.is_known() && size > 0; }
    };

    void fail(std::string fault) {
        if (fault_.empty()) {
            fault_ = std::move(fault);
        }
    }

    std::string name_of(Owner owner) const {
        if (owner == Bytes::kNobody) {
            return "nothing";
        }
        return owner < n_               ? std::string("'") + view_.tensor(owner)->name + "'"
               : owner < places_.size() ? "the copy of '" + std::string(view_.tensor(source_of(owner))->name) + "'"
                                        : "a copy of another copy index";
    }
    TensorId source_of(Owner copy) const { return graph_.splits.copies[copy - n_].tensor; }

    void find_places() {
        for (TensorId id = 0; id < n_; id++) {
            set_place(id, plan_.tensors[id], view_.tensor(id), graph_.assignment.backend[id]);
        }
        for (uint32_t copy = 0; copy < graph_.splits.copies.size(); copy++) {
            const Place place = place_of_copy(plan_, graph_, copy, cur_copy_, backends_);
            set_place(n_ + copy, place, graph_.slots.of(copy), graph_.splits.copies[copy].backend);
        }
        for (size_t i = 0; i < graph_.splits.rotated_inputs.size(); i++) {
            const InputCopy & input = graph_.splits.rotated_inputs[i];
            set_place(input.tensor, plan_.rotated_inputs[i * n_copies_ + cur_copy_], view_.tensor(input.tensor),
                      input.backend);
        }
        for (const OperandReplacement & replacement : graph_.splits.replacements) {
            copy_of_operand_[replacement.operand] = replacement.copy;
        }
    }

    // Notes the place of a tensor or a copy that a backend uses, and checks it.
    void set_place(Owner owner, const Place & place, const ggml_tensor * tensor, BackendId backend) {
        if (!place.is_known()) {
            return;
        }
        const ggml_backend_buffer_type_t buft = backends_[static_cast<size_t>(place.pool)].buft;
        const size_t size = ggml_backend_buft_get_alloc_size(buft, tensor);
        places_[owner] = {place, size};
        const std::vector<size_t> & parts = plan_.sizes[static_cast<size_t>(place.pool)];
        const bool fits = size <= place.range.size && place.range.part < parts.size() &&
                          place.range.offset + size <= parts[place.range.part];
        if (!fits) {
            fail(name_of(owner) + " of " + std::to_string(size) + " bytes does not fit into its place of " +
                 std::to_string(place.range.size));
        }
        if (place.range.offset % ggml_backend_buft_get_alignment(buft) != 0) {
            fail(name_of(owner) + " is not aligned");
        }
        const host::Backend & user = backends_[static_cast<size_t>(backend)];
        if (user.buft != buft && !ggml_backend_supports_buft(user.handle, buft)) {
            fail(name_of(owner) + " lies in memory that " + user.name + " cannot use");
        }
    }

    // Writes the values that are there when the run begins: leafs, inputs, and all values of other copy indices, which
    // must stay.
    void write_what_is_there() {
        for (TensorId id = 0; id < n_; id++) {
            if ((view_.facts(id) & (kIsNode | kIsInput)) != kIsNode && !view_.views_another(id)) {
                write(id);
            }
        }
        others_ = static_cast<Owner>(places_.size());
        for (size_t cur_copy = 0; cur_copy < n_copies_; cur_copy++) {
            for (size_t i = cur_copy; cur_copy != cur_copy_ && i < plan_.copies.size(); i += n_copies_) {
                write_other(plan_.copies[i]);
            }
            for (size_t i = cur_copy; cur_copy != cur_copy_ && i < plan_.rotated_inputs.size(); i += n_copies_) {
                write_other(plan_.rotated_inputs[i]);
            }
        }
    }

    void write_other(const Place & place) {
        if (place.is_known() && place.range.size > 0) {
            bytes_.write(place, place.range.size, others_++);
            other_turns_.push_back(place);
        }
    }

    void write(Owner owner) {
        if (places_[owner].is_known()) {
            bytes_.write(places_[owner].place, places_[owner].size, owner);
        }
    }

    // Fails unless the bytes of `owner` hold its value when `reader` reads them.
    void expect(Owner owner, const std::string & reader) {
        const Placed & placed = places_[owner];
        const Owner found = placed.is_known() ? bytes_.other_in(placed.place, placed.size, owner) : owner;
        if (found != owner) {
            fail(reader + " finds " + name_of(found) + " where " + name_of(owner) + " should be");
        }
    }

    // Makes the copies of a split. They are made in any order, so that all are written before any source is checked.
    void copy_inputs(const Split & split) {
        for (const uint32_t copy : split.inputs) {
            write(n_ + copy);
            has_reader_[source_of(n_ + copy)] = true;
        }
        for (const uint32_t copy : split.inputs) {
            const TensorId source = source_of(n_ + copy);
            expect(view_.root(source), "the copy of '" + std::string(view_.tensor(source)->name) + "'");
        }
    }

    void compute(const GraphNode & node) {
        const std::string reader = std::string("'") + view_.tensor(node.tensor)->name + "'";
        for (const Operand & operand : view_.operands_of(node)) {
            has_reader_[operand.tensor] = true;
            if (!node.is_view) { // A view moves no bytes.
                expect(owner_of(operand), reader);
            }
        }
        if (node.is_view) {
            return;
        }
        if (view_.views_another(node.tensor)) {
            expect(view_.root(node.tensor), reader);
            return;
        }
        for (const Operand & operand : view_.operands_of(node)) {
            check_overlap(node.tensor, operand);
        }
        write(node.tensor);
        for (const Operand & operand : view_.operands_of(node)) {
            if (node.op == GGML_OP_MUL_MAT_ID && operand.slot == kExpertIdsSlot) {
                // The host reads the ids themselves, not a copy.
                expect(view_.root(operand.tensor), "the host, for " + reader + ",");
            }
        }
    }

    Owner owner_of(const Operand & operand) const {
        const auto index = static_cast<size_t>(&operand - view_.operands().begin());
        const uint32_t copy = copy_of_operand_[index];
        return copy == kNoCopy ? view_.root(operand.tensor) : n_ + copy;
    }

    // Fails if a node overwrites an operand that it may not take the place of.
    void check_overlap(TensorId node, const Operand & operand) {
        const Owner owner = owner_of(operand);
        const Placed & a = places_[node];
        const Placed & b = places_[owner];
        const bool overlap = a.is_known() && b.is_known() && a.place.pool == b.place.pool &&
                             a.place.range.part == b.place.range.part &&
                             a.place.range.offset < b.place.range.offset + b.size &&
                             b.place.range.offset < a.place.range.offset + a.size;
        if (!overlap) {
            return;
        }
        const ggml_tensor * tensor = view_.tensor(node);
        const bool may = operand.slot < to_take_over_[tensor->op] && a.place.range.offset == b.place.range.offset &&
                         have_same_layout(tensor, tensor->src[operand.slot]);
        if (!may) {
            fail(name_of(node) + " overwrites its operand " + name_of(owner) + " while it reads it");
        }
    }

    // Fails if a value is gone that had to stay until the node was computed. A value that comes later cannot be gone.
    void check_dependencies(TensorId node) {
        const auto [begin, end] = kept_until_.equal_range(node);
        for (auto kept = begin; kept != end; kept++) {
            const Owner owner = kept->second;
            if (owner >= n_ || is_computed_[owner] || !(view_.facts(owner) & kIsNode)) {
                expect(owner, std::string("an alloc dependency until '") + view_.tensor(node)->name + "'");
            }
        }
    }

    // Fails if a value is gone that the caller, or another copy index, needs after the run.
    void check_what_stays() {
        for (TensorId id = 0; id < n_; id++) {
            const uint8_t stays = has_reader_[id] ? kIsOutput : kIsOutput | kIsComputed;
            if (view_.facts(id) & stays) {
                expect(view_.root(id), "the caller");
            }
        }
        for (size_t i = 0; i < view_.inputs().size() && host::inputs_keep_values(); i++) {
            expect(view_.root(view_.inputs()[i]), "the caller");
        }
        auto other = static_cast<Owner>(places_.size());
        for (const Place & place : other_turns_) {
            if (bytes_.other_in(place, place.range.size, other) != other) {
                fail("an input or a copy of another copy index is overwritten");
            }
            other++;
        }
    }

    const MemoryPlan & plan_;
    const CutGraph & graph_;
    const GraphView & view_;
    const std::vector<host::Backend> & backends_;
    const host::OperandsToTakeOver to_take_over_ = host::operands_to_take_over();
    const Owner n_;
    const size_t n_copies_;
    const size_t cur_copy_;
    std::vector<Placed> places_;                // by owner; unknown if the allocator has not placed it
    std::vector<uint32_t> copy_of_operand_;     // by operand of the graph: the copy that replaces it, or kNoCopy
    std::vector<bool> has_reader_;              // by tensor
    std::vector<bool> is_computed_;             // by tensor
    std::multimap<TensorId, Owner> kept_until_; // by node: what must not be overwritten until the node is computed
    Bytes bytes_;
    Owner others_ = 0;               // next number for a value of another copy index
    std::vector<Place> other_turns_; // places of other copy indices
    std::string fault_;
};

} // namespace

std::string find_misplaced(const MemoryPlan & plan, const CutGraph & graph,
                           const std::vector<AllocDependency> & dependencies,
                           const std::vector<host::Backend> & backends) {
    return Play(plan, graph, dependencies, backends).run();
}

} // namespace ggml_sched
