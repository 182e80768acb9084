// A trace stops growing, and stays sound.

#include <gtest/gtest.h>

#include "observe/trace.h"
#include "observe/trace_json.h"
#include "trace_file.h"

namespace ggml_sched::test {
namespace {

using observe::kNoSlice;
using observe::SliceId;
using observe::Trace;
using observe::TraceArrow;
using observe::TraceSlice;

void write(const Trace & trace, const TempFile & file) {
    std::FILE * stream = std::fopen(file.c_str(), "wb");
    ASSERT_NE(stream, nullptr);
    EXPECT_TRUE(observe::write_json(trace, stream));
    EXPECT_EQ(std::fclose(stream), 0);
}

TEST(TraceLimit, CutsTheTraceAndSaysSo) {
    Trace trace;
    trace.lanes = {"host"};
    for (size_t i = 0; i < Trace::kMaxEvents; i++) {
        ASSERT_EQ(trace.add(TraceSlice{}), static_cast<SliceId>(i));
    }
    EXPECT_FALSE(trace.cut);
    EXPECT_EQ(trace.add(TraceSlice{}), kNoSlice);
    EXPECT_TRUE(trace.cut);
    EXPECT_EQ(trace.slices.size(), Trace::kMaxEvents);
}

TEST(TraceLimit, KeepsNoHalfArrows) {
    Trace trace;
    trace.lanes = {"host", "A"};
    TraceSlice slice;
    const SliceId from = trace.add(slice);
    slice.lane = 1;
    const SliceId to = trace.add(slice);
    EXPECT_FALSE(trace.add(TraceArrow{TraceArrow::Kind::Copy, from, kNoSlice}));
    EXPECT_FALSE(trace.add(TraceArrow{TraceArrow::Kind::Copy, kNoSlice, to}));
    EXPECT_FALSE(trace.cut);
    while (!trace.cut) {
        (void) trace.add(TraceArrow{TraceArrow::Kind::Copy, from, to});
    }
    EXPECT_LE(trace.slices.size() + 2 * trace.arrows.size(), Trace::kMaxEvents);
    trace.arrows.resize(3);
    const TempFile file("trace.json");
    write(trace, file);
    const TraceFile written(file.path());
    EXPECT_EQ(written.header()["cut"], true);
    EXPECT_EQ(written.count_flows("copy"), 3);
    written.expect_sound();
}

TEST(TraceLimit, TimesKeepTheirNanosecondsForYears) {
    Trace trace;
    trace.lanes = {"host"};
    TraceSlice slice;
    slice.start_us = 1e12 + 0.125; // eleven days
    slice.finish_us = 1e12 + 0.250;
    ASSERT_NE(trace.add(slice), kNoSlice);
    const TempFile file("trace.json");
    write(trace, file);
    EXPECT_NE(TraceFile(file.path()).text().find("\"ts\":1000000000000.125,\"dur\":0.125"), std::string::npos);
}

} // namespace
} // namespace ggml_sched::test
