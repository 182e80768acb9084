// The functions of the scheduler that show what runs did: traces, patterns, and the plan as text

#include <new>

#include "host/log.h"
#include "observe/stream_text.h"
#include "observe/text.h"
#include "session/scheduler.h"

namespace ggml_sched {

Status Scheduler::start_trace(const std::string & path) {
    end_trace();
    Status status;
    tracer_ = observe::Tracer::open(path, backends_, topology_, machine_, status);
    executor_->set_listener(tracer_.get());
    return status;
}

Status Scheduler::stop_trace() {
    if (!tracer_) {
        return Status::failed("there is no trace to stop; start one with ggml_sched_trace_start");
    }
    executor_->set_listener(nullptr);
    const std::unique_ptr<observe::Tracer> tracer = std::move(tracer_);
    return tracer->finish();
}

void Scheduler::end_trace() noexcept {
    try {
        if (const Status stopped = tracer_ ? stop_trace() : Status{}; !stopped.ok()) {
            host::log_error(stopped.message);
        }
    } catch (const std::bad_alloc &) {
        host::log_error("out of host memory: the trace is not complete");
    }
}

std::string Scheduler::pattern(int split) const {
    return last_plan_ ? observe::pattern_of(*last_plan_, split) : "";
}

std::string Scheduler::plan_text() const {
    return last_plan_ ? text_of(*last_streams_, *last_names_, backends_) + observe::text_of(*last_plan_, *last_names_)
                      : "";
}

} // namespace ggml_sched
