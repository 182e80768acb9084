// Cells - the bytes that a run touches, cut wherever some access begins or ends. All bytes of a cell have the same
// past, so hazards are found cell by cell.

#pragma once

#include <array>
#include <vector>

#include "plan/history.h"
#include "plan/plan.h"

namespace ggml_sched::plan {

// The last write of a cell and the reads since, with the tasks that did them (kEarlierRun for the history's).
struct Cell {
    Space space;
    uint64_t begin;
    uint64_t end;

    bool written = false;
    Toucher writer = {};
    int32_t writer_task = kEarlierRun;
    std::array<Position, kMaxLanes> read_at; // by lane, kNever if it did not
    std::array<int32_t, kMaxLanes> reader_task;

    Cell(Space space, uint64_t begin, uint64_t end);
    void read(Toucher toucher, int32_t task);
    void write(Toucher toucher, int32_t task);
};

class Cells {
  public:
    Cells(const std::vector<Access> & accesses, const History & history);

    // The cells that make up an access, given by its index in the constructor's argument
    Cell * begin_of(size_t access) { return cells_.data() + ranges_[access].first; }
    Cell * end_of(size_t access) { return cells_.data() + ranges_[access].last; }

    // What the next run has to know, with positions still counted as in this run. `done` tells what is complete.
    std::vector<PastAccess> past(const Clock & done) const;

  private:
    struct Cut {
        Space space;
        uint64_t at;

        friend bool operator<(const Cut & a, const Cut & b) {
            return a.space != b.space ? a.space < b.space : a.at < b.at;
        }
        friend bool operator==(const Cut & a, const Cut & b) { return a.space == b.space && a.at == b.at; }
    };
    struct Range {
        uint32_t first;
        uint32_t last; // not included
    };
    Range find(Space space, uint64_t begin, uint64_t end) const;
    void fill_from(const History & history);

    std::vector<Cell> cells_;   // sorted by space and begin
    std::vector<Cut> starts_;   // of each cell: smaller, so quicker to search
    std::vector<Range> ranges_; // by access
};

} // namespace ggml_sched::plan
