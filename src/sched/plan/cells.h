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

    // The cells that make up an access given to the constructor
    Cell * begin_of(const Access & access);
    Cell * end_of(const Access & access);

    // What the next run has to know, with positions still counted as in this run. `done` tells what is complete.
    std::vector<PastAccess> past(const Clock & done) const;

  private:
    void fill_from(const History & history);

    std::vector<Cell> cells_; // sorted by space and begin
};

} // namespace ggml_sched::plan
