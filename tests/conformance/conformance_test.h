// The fixture of the suite. A test is a function of a world, tried under many schedules: simulated devices under the
// laziest seed and several others, real ones a few times. The world's host memory is pinned in one half of the tries,
// and pageable in the others.
//
// The suite itself must keep the contract: the simulated devices count violations, and there may be none.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "world.h"

namespace conformance {

class ConformanceTest : public testing::TestWithParam<Subject> {
  protected:
    ConformanceTest();
    ~ConformanceTest() override;
    void SetUp() override; // skips where this machine has no such device

    const Subject & subject() const { return GetParam(); }
    ggml_backend_dev_t device() const { return GetParam().devices[0]; }

    // `test` is called with a fresh world for each schedule, until it fails.
    void on_each_schedule(const std::function<void(World & world)> & test);
    // Once, under the laziest schedule, with pageable memory
    void once(const std::function<void(World & world)> & test);

    // What backends and library have logged since the test began
    const std::string & log() const { return log_; }

  private:
    void attempt(uint64_t seed, HostMemory memory, const std::function<void(World & world)> & test);

    std::string log_;
};

// The name of a test's parameter
std::string parameter_name(const testing::TestParamInfo<Subject> & info);

} // namespace conformance
