#include "plan/needs.h"

namespace ggml_sched::plan {

void Needs::add(Lane lane, Position position, const Reason & reason) {
    if (lane != kHost && position > of[lane].position) {
        of[lane] = {position, reason};
    }
}

void Needs::add_hazards(int32_t task, uint32_t access, ByteIntervals & intervals, const Program & program,
                        const Rules & rules) {
    const bool write = program.accesses[access].write;
    const auto add_if_covered = [&](const LaneAccess & lane_access, const Reason & reason) {
        if (rules.all_on() || rules.is_on(rule_of(program, reason))) {
            add(lane_access.lane, lane_access.position, reason);
        }
    };
    const ByteInterval * end = intervals.end_of(access);
    for (const ByteInterval * interval = intervals.begin_of(access); interval != end; interval++) {
        const Access bytes = {interval->space, write, interval->begin, interval->end};
        if (interval->written) {
            const WaitCause cause = write ? WaitCause::WriteAfterWrite : WaitCause::ReadAfterWrite;
            add_if_covered(interval->writer, {cause, task, interval->writer_task, bytes});
        }
        for (int lane = 1; write && lane < kMaxLanes; lane++) {
            if (interval->read_at[lane] != kNever) {
                add_if_covered({static_cast<Lane>(lane), interval->read_at[lane]},
                               {WaitCause::WriteAfterRead, task, interval->reader_task[lane], bytes});
            }
        }
    }
}

} // namespace ggml_sched::plan
