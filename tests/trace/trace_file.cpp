#include "trace_file.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "host_system.h"

namespace ggml_sched::test {

namespace {

int64_t ns_of(const Json & us) {
    return std::llround(us.get<double>() * 1000);
}

} // namespace

TraceFile::TraceFile(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    text_.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    const Json json = Json::parse(text_, nullptr, false);
    EXPECT_TRUE(json.is_object()) << path << " begins with " << text_.substr(0, 200);
    if (!json.is_object()) {
        return;
    }
    header_ = json["otherData"];
    for (const Json & event : json["traceEvents"]) {
        read(event);
    }
}

void TraceFile::read(const Json & event) {
    const std::string phase = event["ph"];
    const auto lane = event["tid"].get<size_t>();
    if (phase == "M" && event["name"] == "thread_name") {
        lanes_.resize(std::max(lanes_.size(), lane + 1));
        lanes_[lane] = event["args"]["name"];
    } else if (phase == "X") {
        const int64_t start = ns_of(event["ts"]);
        slices_.push_back({static_cast<int>(lane), event["name"], event["cat"], start, start + ns_of(event["dur"]),
                           event.value("args", Json::object())});
    } else if (phase == "s" || phase == "f") {
        Flow & flow = flows_[event["id"].get<int64_t>()];
        (phase == "s" ? flow.starts : flow.finishes)
            .push_back({static_cast<int>(slices_.size()) - 1, static_cast<int>(lane), ns_of(event["ts"]), event["cat"],
                        event["args"]});
    }
}

std::vector<Slice> TraceFile::of_category(const std::string & category) const {
    std::vector<Slice> result;
    std::copy_if(slices_.begin(), slices_.end(), std::back_inserter(result),
                 [&](const Slice & slice) { return slice.category == category; });
    return result;
}

int TraceFile::count_flows(const std::string & category) const {
    return static_cast<int>(std::count_if(flows_.begin(), flows_.end(), [&](const auto & entry) {
        return entry.second.starts.size() == 1 && entry.second.starts[0].category == category;
    }));
}

void TraceFile::expect_sound() const {
    std::map<int, const Slice *> last; // by lane
    for (const Slice & slice : slices_) {
        EXPECT_GE(slice.length_ns(), 0) << slice.name;
        if (slice.category == "before") {
            continue; // stands at the begin, whenever it was needed
        }
        const Slice * before = last[slice.lane];
        EXPECT_TRUE(!before || before->finish_ns <= slice.start_ns)
            << lanes_[static_cast<size_t>(slice.lane)] << ": " << before->name << " ends at " << before->finish_ns
            << ", " << slice.name << " begins at " << slice.start_ns;
        last[slice.lane] = &slice;
    }
    std::map<int, int> arrows_to; // by slice
    for (const auto & [id, flow] : flows_) {
        SCOPED_TRACE("arrow " + std::to_string(id));
        ASSERT_EQ(flow.starts.size(), 1U);
        ASSERT_EQ(flow.finishes.size(), 1U);
        expect_flow_sound(flow);
        arrows_to[flow.finishes[0].slice] += flow.starts[0].category == "wait" ? 1 : 0;
    }
    for (size_t i = 0; i < slices_.size(); i++) {
        EXPECT_EQ(arrows_to[static_cast<int>(i)], slices_[i].category == "wait" ? 1 : 0) << slices_[i].name;
    }
}

void TraceFile::expect_flow_sound(const Flow & flow) const {
    const FlowEnd & start = flow.starts[0];
    const FlowEnd & finish = flow.finishes[0];
    EXPECT_EQ(start.category, finish.category);
    EXPECT_EQ(start.args, finish.args);
    EXPECT_NE(start.lane, finish.lane);
    for (const FlowEnd & end : {start, finish}) {
        ASSERT_GE(end.slice, 0);
        const Slice & slice = slices_[static_cast<size_t>(end.slice)];
        EXPECT_EQ(end.lane, slice.lane);
        EXPECT_GE(end.ns, slice.start_ns) << slice.name;
        EXPECT_LE(end.ns, slice.finish_ns) << slice.name;
    }
    if (start.category == "wait" && header_["clock"] == "devices") {
        EXPECT_LE(start.ns, finish.ns) << "a wait was over before what it waited for";
    }
}

TempFile::TempFile(const std::string & name) {
    std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(test.begin(), test.end(), '/', '_');
    path_ = testing::TempDir() + "ggml-sched-" + std::to_string(platform::process_id()) + "-" + test + "-" + name;
}

TempFile::~TempFile() {
    (void) std::remove(path_.c_str());
}

} // namespace ggml_sched::test
