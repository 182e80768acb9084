#include "observe/trace_json.h"

#include <cmath>

#include "observe/json_line.h"
#include "observe/text.h"

namespace ggml_sched::observe {

namespace {

using Kind = TraceSlice::Kind;

const char * category_of(Kind kind) {
    switch (kind) {
    case Kind::Before: return "before";
    case Kind::Run: return "run";
    case Kind::Return: return "return";
    case Kind::Call: return "call";
    case Kind::Snapshot: return "snapshot";
    case Kind::Copy: return "copy";
    case Kind::Launch: return "launch";
    case Kind::Observe: return "observe";
    case Kind::Record: return "record";
    case Kind::Wait: return "wait";
    case Kind::Synchronize: return "synchronize";
    }
    return "";
}

// Returns the key of TraceSlice::object in the arguments of an event.
const char * object_key_of(Kind kind) {
    switch (kind) {
    case Kind::Snapshot:
    case Kind::Copy: return "tensor";
    case Kind::Call: return "enqueues_on";
    case Kind::Launch: return "backend";
    case Kind::Run: return "experts";
    default: return "target";
    }
}

const char * reason_of(const TraceArrow & arrow) {
    switch (arrow.kind) {
    case TraceArrow::Kind::Wait: return name_of(arrow.cause);
    case TraceArrow::Kind::Synchronize: return "synchronize";
    case TraceArrow::Kind::Copy: return "copy";
    }
    return "";
}

const char * category_of(TraceArrow::Kind kind) {
    switch (kind) {
    case TraceArrow::Kind::Wait: return "wait";
    case TraceArrow::Kind::Synchronize: return "synchronize";
    case TraceArrow::Kind::Copy: return "copy";
    }
    return "";
}

bool is_moment(Kind kind) {
    return kind == Kind::Run || kind == Kind::Return;
}

bool is_wait(Kind kind) {
    return kind == Kind::Wait || kind == Kind::Synchronize;
}

int64_t ns_of(double us) {
    return std::llround(us * 1000);
}

// ArrowIndex - all arrows, sorted by the slice at one of their ends
struct ArrowIndex {
    std::vector<uint32_t> first;  // by slice: index into `arrows` of its first arrow; one more at the end
    std::vector<uint32_t> arrows; // indices into Trace::arrows

    ArrowIndex(const Trace & trace, SliceId TraceArrow::*end)
        : first(trace.slices.size() + 1) {
        for (const TraceArrow & arrow : trace.arrows) {
            first[arrow.*end + 1]++;
        }
        for (size_t i = 1; i < first.size(); i++) {
            first[i] += first[i - 1];
        }
        std::vector<uint32_t> next = first;
        arrows.resize(trace.arrows.size());
        for (size_t i = 0; i < arrows.size(); i++) {
            arrows[next[trace.arrows[i].*end]++] = static_cast<uint32_t>(i);
        }
    }
};

// EventWriter - writes a trace event by event.
class EventWriter {
  public:
    EventWriter(const Trace & trace, std::FILE * file)
        : trace_(trace)
        , file_(file)
        , leaving_(trace, &TraceArrow::from)
        , arriving_(trace, &TraceArrow::to) {}

    bool run() {
        put("{\"displayTimeUnit\":\"ms\",\n");
        line_.begin();
        line_.add("clock", trace_.device_clock ? "devices" : "host");
        line_.add("cut", trace_.cut);
        line_.end();
        put("\"otherData\":");
        put(line_.text());
        put(",\n\"traceEvents\":[\n");
        write_names();
        for (size_t i = 0; i < trace_.slices.size(); i++) {
            write_slice(static_cast<SliceId>(i));
            // Viewers attach the end of an arrow to the last slice of its lane, so the ends follow their slice.
            for (uint32_t k = arriving_.first[i]; k < arriving_.first[i + 1]; k++) {
                write_arrow(arriving_.arrows[k], "f");
            }
            for (uint32_t k = leaving_.first[i]; k < leaving_.first[i + 1]; k++) {
                write_arrow(leaving_.arrows[k], "s");
            }
        }
        put("\n]}\n");
        return complete_;
    }

  private:
    void put(const std::string & text) {
        complete_ = complete_ && std::fwrite(text.data(), 1, text.size(), file_) == text.size();
    }

    void put_event() {
        line_.end();
        put(is_first_ ? "" : ",\n");
        put(line_.text());
        is_first_ = false;
    }

    void begin_event(const char * phase, uint64_t lane, const std::string & name) {
        line_.begin();
        line_.add("ph", phase);
        line_.add("pid", uint64_t{1});
        line_.add("tid", lane);
        line_.add("name", name);
    }

    void write_names() {
        begin_event("M", 0, "process_name");
        line_.begin_object("args");
        line_.add("name", "ggml-sched");
        line_.end();
        put_event();
        for (size_t lane = 0; lane < trace_.lanes.size(); lane++) {
            if (trace_.lanes[lane].empty()) {
                continue;
            }
            begin_event("M", lane, "thread_name");
            line_.begin_object("args");
            line_.add("name", trace_.lanes[lane]);
            line_.end();
            put_event();
            begin_event("M", lane, "thread_sort_index");
            line_.begin_object("args");
            line_.add("sort_index", static_cast<uint64_t>(lane));
            line_.end();
            put_event();
        }
    }

    void write_slice(SliceId id) {
        const TraceSlice & slice = trace_.slices[id];
        const int64_t start = ns_of(slice.start_us);
        begin_event(is_moment(slice.kind) ? "i" : "X", slice.lane, trace_.names[slice.name]);
        line_.add("cat", category_of(slice.kind));
        line_.add_us("ts", start);
        if (is_moment(slice.kind)) {
            line_.add("s", "t");
        } else {
            line_.add_us("dur", ns_of(slice.finish_us) - start);
        }
        line_.begin_object("args");
        write_slice_args(id, slice);
        line_.end();
        put_event();
    }

    void write_slice_args(SliceId id, const TraceSlice & slice) {
        if (slice.run > 0) {
            line_.add("run", static_cast<uint64_t>(slice.run));
        }
        if (slice.split != plan::kNoSplit) {
            line_.add("split", static_cast<uint64_t>(slice.split));
        }
        if (slice.object != kNoName) {
            line_.add(object_key_of(slice.kind), trace_.names[slice.object]);
        }
        if (slice.kind == Kind::Snapshot || slice.kind == Kind::Copy) {
            line_.add("bytes", slice.bytes);
        }
        if (is_wait(slice.kind) && arriving_.first[id] < arriving_.first[id + 1]) {
            write_arrow_args(trace_.arrows[arriving_.arrows[arriving_.first[id + 1] - 1]]);
        }
        if (is_wait(slice.kind) && slice.lane == plan::kHost) {
            line_.add_us("blocked_us", ns_of(slice.finish_us) - ns_of(slice.start_us));
        }
        if (!slice.exact) {
            line_.add("exact", false);
            if (slice.done_by_us >= 0) {
                line_.add_us("done_by_us", ns_of(slice.done_by_us));
            }
        }
    }

    void write_arrow_args(const TraceArrow & arrow) {
        line_.add("reason", reason_of(arrow));
        if (arrow.task != kNoName) {
            line_.add("task", trace_.names[arrow.task]);
        }
        if (arrow.other != kNoName) {
            line_.add("other", trace_.names[arrow.other]);
        }
        if (arrow.bytes > 0) {
            line_.add("bytes", arrow.bytes);
        }
    }

    void write_arrow(uint32_t index, const char * phase) {
        const TraceArrow & arrow = trace_.arrows[index];
        const bool is_end = phase[0] == 'f';
        const TraceSlice & slice = trace_.slices[is_end ? arrow.to : arrow.from];
        const bool is_copy = arrow.kind == TraceArrow::Kind::Copy;
        begin_event(phase, slice.lane, reason_of(arrow));
        line_.add("cat", category_of(arrow.kind));
        line_.add("id", static_cast<uint64_t>(index) + 1);
        // The arrow of a copy ends where the slice `to` begins. Other arrows end where the wait is over.
        line_.add_us("ts", ns_of(is_end && is_copy ? slice.start_us : slice.finish_us));
        if (is_end) {
            line_.add("bp", "e");
        }
        line_.begin_object("args");
        write_arrow_args(arrow);
        line_.end();
        put_event();
    }

    const Trace & trace_;
    std::FILE * file_;
    ArrowIndex leaving_;
    ArrowIndex arriving_;
    JsonLine line_;
    bool is_first_ = true;
    bool complete_ = true;
};

} // namespace

bool write_json(const Trace & trace, std::FILE * file) {
    return EventWriter(trace, file).run();
}

} // namespace ggml_sched::observe
