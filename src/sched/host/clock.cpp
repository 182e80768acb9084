#include "host/clock.h"

#include <chrono>

#include "host/ggml_api.h"
#include "host/proc.h"

namespace ggml_sched::host {

Clock::Clock(const std::vector<Backend> & backends) {
    for (const Backend & backend : backends) {
        const auto clock = proc<ggml_backend_clock_us_t>(backend.device, "ggml_backend_clock_us");
        const auto times =
            proc<ggml_backend_last_operation_times_t>(backend.device, "ggml_backend_last_operation_times");
        const bool tells = clock && times;
        const bool agrees = tells && (!device_clock_ || device_clock_ == clock);
        if (backend.async && !agrees) {
            device_clock_ = nullptr;
            last_operation_times_ = nullptr;
            return;
        }
        if (agrees) {
            device_clock_ = clock;
            last_operation_times_ = times;
        }
    }
}

double Clock::now_us() const {
    if (device_clock_) {
        return device_clock_();
    }
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool Clock::last_operation(const Backend & backend, OperationTimes & times) const {
    return last_operation_times_ && last_operation_times_(backend.handle, &times.start_us, &times.finish_us) &&
           times.start_us <= times.finish_us;
}

} // namespace ggml_sched::host
