#include "plan/needs.h"

namespace ggml_sched::plan {

void Needs::add(Lane lane, Position position, const Reason & reason) {
    if (lane != kHost && position > of[lane].position) {
        of[lane] = {position, reason};
    }
}

void Needs::add_hazards(int32_t task, const Access & access, Cells & cells) {
    const Cell * end = cells.end_of(access);
    for (const Cell * cell = cells.begin_of(access); cell != end; cell++) {
        const Access bytes = {cell->space, access.write, cell->begin, cell->end};
        if (cell->written) {
            const WaitCause cause = access.write ? WaitCause::WriteAfterWrite : WaitCause::ReadAfterWrite;
            add(cell->writer.lane, cell->writer.position, {cause, task, cell->writer_task, bytes});
        }
        for (int lane = 1; access.write && lane < kMaxLanes; lane++) {
            if (cell->read_at[lane] != kNever) {
                add(static_cast<Lane>(lane), cell->read_at[lane],
                    {WaitCause::WriteAfterRead, task, cell->reader_task[lane], bytes});
            }
        }
    }
}

void Needs::drop(const Clock & known) {
    for (int lane = 0; lane < kMaxLanes; lane++) {
        if (of[lane].position != kNever && known.knows(static_cast<Lane>(lane), of[lane].position)) {
            of[lane] = {};
        }
    }
}

} // namespace ggml_sched::plan
