// What must hold for every graph; RC_PARAMS chooses others (tests/property/property.h).

#include <gtest/gtest.h>

#include "property.h"
#include "support/case_gen.h"
#include "support/case_runner.h"

namespace ggml_sched::test {
namespace {

// A case is right with verification, which proves all that is kept, without it, and where nothing is kept.
void expect_right(const Case & job, const CaseChecks & checks = {}) {
    CaseChecks unverified = checks;
    unverified.verify = unverified.refuse_superfluous_waits = false;
    CaseChecks anew = unverified;
    anew.reuse = false;
    for (const CaseChecks & way : {checks, unverified, anew}) {
        const std::string wrong = run_case(job, way);
        if (!wrong.empty()) {
            ADD_FAILURE() << (way.verify ? "" : way.reuse ? "without verification: " : "without reuse: ") << wrong;
            return;
        }
    }
}

void expect_all_right(const CaseOptions & options, int n_cases, const CaseChecks & checks = {}) {
    property::expect_for_all(cases(options), n_cases, [&](const Case & job) { expect_right(job, checks); });
}

TEST(AnyGraph, OnMixedDevicesEqualsTheCpu) {
    expect_all_right({}, 5000);
}

TEST(AnyGraph, OfAFewNodesEqualsTheCpu) {
    CaseOptions options;
    options.max_nodes = options.max_nodes_of_large = 8;
    expect_all_right(options, 4000);
}

TEST(AnyGraph, ThatDiffersLittleFromTheLastEqualsTheCpu) {
    CaseOptions options;
    options.alike = true;
    expect_all_right(options, 2000);
}

TEST(AnyGraph, OfHundredsOfNodesEqualsTheCpu) {
    CaseOptions options;
    options.max_nodes_of_large = 400;
    expect_all_right(options, 1500);
}

TEST(AnyGraph, OnOneDeviceEqualsTheCpu) {
    CaseOptions options;
    options.max_devices = 1;
    expect_all_right(options, 2000);
}

TEST(AnyGraph, OnDevicesWithoutEventsEqualsTheCpu) {
    CaseOptions options;
    options.profiles = {GGML_SIM_PROFILE_NO_EVENTS};
    expect_all_right(options, 1500);
}

TEST(AnyGraph, OnDevicesThatReadHostMemoryEqualsTheCpu) {
    CaseOptions options;
    options.profiles = {GGML_SIM_PROFILE_UMA, GGML_SIM_PROFILE_VULKAN};
    expect_all_right(options, 1500);
}

// The properties say something about caches and experts only if a device gets them in each way in some of the cases.
TEST(Cases, SendCachesAheadAndExpertsInEachWay) {
    CaseReport n_cases;
    const auto count = [&](const Case & job) {
        CaseReport report;
        EXPECT_EQ(run_case(job, {}, &report), "");
        for (int CaseReport::*runs :
             {&CaseReport::streamed_whole, &CaseReport::streamed_by_ids, &CaseReport::changed,
              &CaseReport::copied_whole, &CaseReport::copied_by_ids, &CaseReport::caches_ahead, &CaseReport::kept,
              &CaseReport::resident, &CaseReport::parted, &CaseReport::uploaded, &CaseReport::in_banks,
              &CaseReport::merged, &CaseReport::offered}) {
            n_cases.*runs += report.*runs > 0;
        }
    };
    const property::Search search = property::search("", property::attempt(cases(), count), 1, 1000);
    EXPECT_TRUE(search.passed) << search.message;
    std::printf("offers in %d cases, merged copies in %d, kept in %d, resident in %d, parted in %d, uploaded in %d, "
                "in banks in %d, caches of %d, experts of %d, %d, "
                "%d, %d and %d of %d\n",
                n_cases.offered, n_cases.merged, n_cases.kept, n_cases.resident, n_cases.parted, n_cases.uploaded,
                n_cases.in_banks, n_cases.caches_ahead, n_cases.streamed_whole, n_cases.streamed_by_ids,
                n_cases.changed, n_cases.copied_whole, n_cases.copied_by_ids, search.n_cases);
    EXPECT_GE(n_cases.offered, 30);
    EXPECT_GE(n_cases.merged, 25);
    EXPECT_GE(n_cases.kept, 12);
    EXPECT_GE(n_cases.resident, 30);
    EXPECT_GE(n_cases.parted, 10);
    EXPECT_GE(n_cases.uploaded, 4);
    EXPECT_GE(n_cases.in_banks, 20);
    EXPECT_GE(n_cases.caches_ahead, 12);
    EXPECT_GE(n_cases.streamed_whole, 6);
    EXPECT_GE(n_cases.streamed_by_ids, 12);
    EXPECT_GE(n_cases.changed, 3);
    EXPECT_GE(n_cases.copied_whole, 30);
    EXPECT_GE(n_cases.copied_by_ids, 20);
}

// Everything but the inputs is on devices whose events reach each other.
CaseOptions devices_with_events() {
    CaseOptions options;
    options.profiles = {GGML_SIM_PROFILE_CUDA};
    options.observed = options.host = false;
    return options;
}

TEST(AnyGraph, OnDevicesWithEventsNeedsNoHostWait) {
    CaseChecks checks;
    checks.refuse_host_waits = true;
    expect_all_right(devices_with_events(), 2500, checks);
}

// The scheduler refuses plans from which a wait can be taken without a hazard coming up.
void expect_all_waits_needed(CaseOptions options, int n_cases) {
    options.max_nodes = options.max_nodes_of_large = 24;
    CaseChecks checks;
    checks.refuse_superfluous_waits = true;
    expect_all_right(options, n_cases, checks);
}

TEST(AnyGraph, OnMixedDevicesNeedsEachWaitOfItsPlans) {
    expect_all_waits_needed({}, 3000);
}

TEST(AnyGraph, OnDevicesWithEventsNeedsEachWaitOfItsPlans) {
    expect_all_waits_needed(devices_with_events(), 1500);
}

} // namespace
} // namespace ggml_sched::test
