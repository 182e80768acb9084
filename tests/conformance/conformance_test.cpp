#include "conformance_test.h"

#include "platform.h"

namespace conformance {

namespace {

constexpr uint64_t kSimSeeds = 24;
constexpr uint64_t kRealAttempts = 4;

} // namespace

ConformanceTest::ConformanceTest() {
    ggml_log_set([](ggml_log_level, const char * text, void * log) { *static_cast<std::string *>(log) += text; },
                 &log_);
    set_schedule(0);
}

ConformanceTest::~ConformanceTest() {
    if (HasFailure() && !log_.empty()) {
        ADD_FAILURE() << "log of the test:\n" << log_;
    }
    ggml_log_set(nullptr, nullptr);
    set_schedule(0);
}

void ConformanceTest::SetUp() {
    if (subject().devices.empty()) {
        GTEST_SKIP() << "this machine has no device of " << subject().name;
    }
}

void ConformanceTest::on_each_schedule(const std::function<void(World & world)> & test) {
    const uint64_t n_attempts = subject().simulated ? kSimSeeds : kRealAttempts;
    if (subject().simulated) {
        attempt(0, HostMemory::Pinned, test); // The laziest schedule is tried with both kinds.
    }
    for (uint64_t seed = 0; seed < n_attempts && !HasFailure(); seed++) {
        attempt(seed, seed % 2 == 0 ? HostMemory::Pageable : HostMemory::Pinned, test);
    }
}

void ConformanceTest::once(const std::function<void(World & world)> & test) {
    attempt(0, HostMemory::Pageable, test);
}

void ConformanceTest::attempt(uint64_t seed, HostMemory memory, const std::function<void(World & world)> & test) {
    SCOPED_TRACE("schedule " + std::to_string(seed) + (memory == HostMemory::Pinned ? ", pinned" : ", pageable"));
    set_schedule(seed);
    const uint64_t before = n_violations();
    {
        World world(subject(), memory);
        test(world);
    }
    EXPECT_EQ(n_violations(), before) << "the contract was broken, see the log";
}

std::string parameter_name(const testing::TestParamInfo<Subject> & info) {
    return name_of(info.param);
}

} // namespace conformance
