#include "observe/conflict_search.h"

#include <algorithm>

namespace ggml_sched::observe {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Edge - where a range begins or ends
struct Edge {
    uint64_t where; // space and place
    uint64_t at;

    friend bool operator<(const Edge & a, const Edge & b) {
        return a.where != b.where ? a.where < b.where : a.at < b.at;
    }
    friend bool operator==(const Edge & a, const Edge & b) { return a.at == b.at && a.where == b.where; }
};

// Piece - who has touched the bytes between two edges
struct Piece {
    uint32_t last_write = kNone; // index of an access
    uint32_t last_read = kNone;  // index of the last Read since then
};

// Read - an element of the list of a piece's reads
struct Read {
    uint32_t access;
    uint32_t earlier; // index of another Read, or kNone
};

// Ranges - the different ranges among many accesses. Graphs and runs touch the same ranges again and again.
class Ranges {
  public:
    struct Range {
        uint64_t where;
        uint64_t begin;
        uint64_t end;
        uint32_t first_piece;
    };

    // Returns the index of a range in all().
    uint32_t find_or_add(const Range & range) {
        const size_t i = slot_of(range);
        if (slots_[i] != kNone) {
            return slots_[i];
        }
        const auto id = static_cast<uint32_t>(all_.size());
        slots_[i] = id;
        all_.push_back(range);
        if (2 * all_.size() > slots_.size()) {
            grow();
        }
        return id;
    }
    std::vector<Range> & all() { return all_; }

  private:
    static bool same(const Range & a, const Range & b) {
        return a.begin == b.begin && a.end == b.end && a.where == b.where;
    }

    // Returns the slot of the hash table where the range is, or where it would be.
    size_t slot_of(const Range & range) const {
        const size_t mask = slots_.size() - 1;
        const uint64_t mixed = (range.where * 31 + range.begin) * 31 + range.end;
        size_t i = (mixed * 0x9E3779B97F4A7C15ull >> 20) & mask;
        while (slots_[i] != kNone && !same(all_[slots_[i]], range)) {
            i = (i + 1) & mask;
        }
        return i;
    }

    void grow() {
        slots_.assign(4 * slots_.size(), kNone);
        for (size_t id = 0; id < all_.size(); id++) {
            slots_[slot_of(all_[id])] = static_cast<uint32_t>(id);
        }
    }

    std::vector<uint32_t> slots_ = std::vector<uint32_t>(256, kNone); // hash table: index into all_, or kNone
    std::vector<Range> all_;
};

// ConflictSearch - goes through the accesses in the order in which they were issued, and checks each piece of them.
class ConflictSearch {
  public:
    explicit ConflictSearch(const OrderGraph & graph)
        : graph_(graph)
        , accesses_(graph.accesses()) {
        touches_.reserve(accesses_.size());
        for (uint32_t i = 0; i < accesses_.size(); i++) {
            const VertexAccess & access = accesses_[i];
            if (may_conflict(access)) {
                const uint64_t where = uint64_t{access.bytes.space} << 32 | access.place;
                touches_.push_back({i, ranges_.find_or_add({where, access.bytes.begin, access.bytes.end, 0})});
            }
        }
        for (const Ranges::Range & range : ranges_.all()) {
            edges_.push_back({range.where, range.begin});
            edges_.push_back({range.where, range.end});
        }
        std::sort(edges_.begin(), edges_.end());
        edges_.erase(std::unique(edges_.begin(), edges_.end()), edges_.end());
        for (Ranges::Range & range : ranges_.all()) {
            const auto begin = std::lower_bound(edges_.begin(), edges_.end(), Edge{range.where, range.begin});
            range.first_piece = static_cast<uint32_t>(begin - edges_.begin());
        }
        pieces_.resize(edges_.size());
    }

    Conflict run() {
        for (const Touch & touch : touches_) {
            const Ranges::Range & range = ranges_.all()[touch.range];
            const Edge end = {range.where, range.end};
            for (uint32_t piece = range.first_piece; edges_[piece] < end; piece++) {
                visit(pieces_[piece], touch.access);
            }
            if (conflict_.found) {
                break;
            }
        }
        return conflict_;
    }

  private:
    // Touch - an access, and its range
    struct Touch {
        uint32_t access;
        uint32_t range;
    };

    // Returns false for an access that comes before all tasks of the newest run, or that touches no byte they can
    // touch.
    bool may_conflict(const VertexAccess & access) const {
        const uint32_t begin = graph_.begin_of_run();
        const bool is_earlier = begin != OrderGraph::kNone && access.vertex < begin;
        const bool is_done = is_earlier && graph_.reaches(access.vertex, begin);
        const bool is_elsewhere = access.bytes.space == plan::kRing && access.place != graph_.part_of_ring();
        return !is_done && !is_elsewhere && access.bytes.begin < access.bytes.end;
    }

    void visit(Piece & piece, uint32_t access) {
        check(piece.last_write, access);
        if (!accesses_[access].bytes.write) {
            add_read(piece, access);
            return;
        }
        for (uint32_t read = piece.last_read; read != kNone; read = reads_[read].earlier) {
            check(reads_[read].access, access);
        }
        piece.last_write = access;
        piece.last_read = kNone;
    }

    // Adds a read to a piece. It replaces the last read if it comes after that one.
    void add_read(Piece & piece, uint32_t access) {
        const bool covers = piece.last_read != kNone && ordered(reads_[piece.last_read].access, access);
        if (covers) {
            reads_[piece.last_read].access = access;
            return;
        }
        reads_.push_back({access, piece.last_read});
        piece.last_read = static_cast<uint32_t>(reads_.size() - 1);
    }

    bool ordered(uint32_t first, uint32_t second) const {
        const uint32_t from = accesses_[first].vertex;
        const uint32_t to = accesses_[second].vertex;
        return from == to || graph_.reaches(from, to);
    }

    // Notes a conflict unless the first access comes before the second.
    void check(uint32_t first, uint32_t second) {
        if (!conflict_.found && first != kNone && !ordered(first, second)) {
            conflict_ = {true, accesses_[first], accesses_[second]};
        }
    }

    const OrderGraph & graph_;
    const std::vector<VertexAccess> & accesses_;
    Ranges ranges_;
    std::vector<Touch> touches_; // all accesses that may conflict, in their order
    std::vector<Edge> edges_;    // sorted
    std::vector<Piece> pieces_;  // by edge at which the piece begins
    std::vector<Read> reads_;
    Conflict conflict_;
};

} // namespace

Conflict find_conflict(const OrderGraph & graph) {
    return ConflictSearch(graph).run();
}

} // namespace ggml_sched::observe
