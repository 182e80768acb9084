// exit_codes.h - how sched-run ends.

#pragma once

namespace sched_run {

enum ExitCode {
    kSuccess = 0,
    kFailure = 1,
    kWrongUsage = 2,
};

} // namespace sched_run
