#include "plan/needs.h"

namespace ggml_sched::plan {

void Needs::add(Lane lane, Position position, const Reason & reason) {
    if (lane != kHost && position > of[lane].position) {
        of[lane] = {position, reason};
    }
}

void Needs::add_hazards(int32_t task, uint32_t access, Cells & cells, const Program & program, const Rules & rules) {
    const bool write = program.accesses[access].write;
    const auto add_if_covered = [&](const Toucher & toucher, const Reason & reason) {
        if (rules.all_on() || rules.is_on(rule_of(program, reason))) {
            add(toucher.lane, toucher.position, reason);
        }
    };
    const Cell * end = cells.end_of(access);
    for (const Cell * cell = cells.begin_of(access); cell != end; cell++) {
        const Access bytes = {cell->space, write, cell->begin, cell->end};
        if (cell->written) {
            const WaitCause cause = write ? WaitCause::WriteAfterWrite : WaitCause::ReadAfterWrite;
            add_if_covered(cell->writer, {cause, task, cell->writer_task, bytes});
        }
        for (int lane = 1; write && lane < kMaxLanes; lane++) {
            if (cell->read_at[lane] != kNever) {
                add_if_covered({static_cast<Lane>(lane), cell->read_at[lane]},
                               {WaitCause::WriteAfterRead, task, cell->reader_task[lane], bytes});
            }
        }
    }
}

} // namespace ggml_sched::plan
