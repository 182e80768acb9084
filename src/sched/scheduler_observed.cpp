// Functions that show what runs did: traces, patterns, and the plan as text

#include "observe/text.h"
#include "scheduler.h"

namespace ggml_sched {

Status Scheduler::start_trace(const std::string & path) {
    const Status stopped = tracer_ ? stop_trace() : Status{};
    Status status;
    tracer_ = observe::Tracer::open(path, backends_, topology_, machine_, status);
    executor_->set_listener(tracer_.get());
    return status.ok() ? stopped : status;
}

Status Scheduler::stop_trace() {
    if (!tracer_) {
        return Status::failed("there is no trace to stop; start one with ggml_sched_trace_start");
    }
    executor_->set_listener(nullptr);
    const std::unique_ptr<observe::Tracer> tracer = std::move(tracer_);
    return tracer->finish();
}

std::string Scheduler::pattern(int split) const {
    return last_plan_ ? observe::pattern_of(*last_plan_, split) : "";
}

std::string Scheduler::plan_text() const {
    return last_plan_ ? observe::text_of(*last_plan_, *last_names_) : "";
}

} // namespace ggml_sched
