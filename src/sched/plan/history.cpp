#include "plan/history.h"

#include <algorithm>

namespace ggml_sched::plan {

static bool same_read(const CallerRead & a, const CallerRead & b) {
    return a.lane == b.lane && a.bytes.space == b.bytes.space && a.bytes.begin == b.bytes.begin &&
           a.bytes.end == b.bytes.end;
}

bool operator==(const History & a, const History & b) {
    return a.points == b.points && a.known == b.known && a.accesses == b.accesses &&
           std::equal(a.caller_reads.begin(), a.caller_reads.end(), b.caller_reads.begin(), b.caller_reads.end(),
                      same_read);
}

} // namespace ggml_sched::plan
