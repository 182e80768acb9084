// The functions of the scheduler that show what runs did: counters, traces, patterns, and the plan as text

#include <algorithm>
#include <cstring>
#include <new>

#include "host/log.h"
#include "observe/stream_text.h"
#include "observe/text.h"
#include "session/scheduler.h"

namespace ggml_sched {

namespace {

ggml_sched_expert_stats expert_stats_of(const ExpertBank & bank) {
    ggml_sched_expert_stats stats = {};
    const char * const name = bank.copies().front().tensor->name;
    std::memcpy(stats.name, name, std::min(std::strlen(name), sizeof(stats.name) - 1));
    stats.backend = static_cast<uint8_t>(bank.backend()); // A bank lies on a backend: the number is not negative.
    stats.n_experts = bank.residency().n_experts();
    stats.n_entries = bank.residency().n_entries();
    stats.pairs = bank.counts().pairs;
    stats.misses = bank.counts().missed;
    stats.uploads = bank.counts().uploaded;
    stats.upload_bytes = bank.counts().uploaded * bank.bytes_of_expert();
    return stats;
}

} // namespace

void Scheduler::reset_stats() {
    ggml_sched_stats none = {};
    none.stream_decision = stats().stream_decision; // These are no counters, so they stay.
    none.resident_bytes = stats().resident_bytes;
    none.expert_banks_off = stats().expert_banks_off;
    stats() = none;
    experts_.reset_counts();
}

int Scheduler::write_expert_stats(ggml_sched_expert_stats * stats, int n, size_t size) const {
    const auto n_banks = static_cast<int>(experts_.banks().size());
    for (int i = 0; i < std::min(n, n_banks); i++) {
        const ggml_sched_expert_stats one = expert_stats_of(*experts_.banks()[static_cast<size_t>(i)]);
        std::memcpy(reinterpret_cast<char *>(stats) + static_cast<size_t>(i) * size, &one, std::min(size, sizeof(one)));
    }
    return n_banks;
}

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
