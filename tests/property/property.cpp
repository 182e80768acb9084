#include "property.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <rapidcheck/detail/Configuration.h>
#include <rapidcheck/detail/TestListenerAdapter.h>

namespace property {

namespace {

#ifdef GGML_SCHED_TEST_THIN
constexpr int kShare = 40;
#else
constexpr int kShare = 1;
#endif

using rc::detail::Configuration;

Search search_with(const std::string & name, const std::function<std::string()> & try_one,
                   const Configuration & configuration) {
    rc::detail::TestListenerAdapter nobody;
    const rc::detail::TestResult result = rc::detail::checkProperty(
        rc::detail::toProperty(try_one), {name, name}, configuration.testParams, nobody, configuration.reproduce);
    if (result.is<rc::detail::SuccessResult>()) {
        return {true, result.get<rc::detail::SuccessResult>().numSuccess, ""};
    }
    std::ostringstream message;
    rc::detail::printResultMessage(result, message);
    int n_cases = 0;
    if (result.is<rc::detail::FailureResult>()) {
        const rc::detail::FailureResult & failure = result.get<rc::detail::FailureResult>();
        n_cases = failure.numSuccess;
        Configuration again;
        again.testParams = {};
        again.reproduce[name] = failure.reproduce;
        message << "\n\nseed " << configuration.testParams.seed << "; once more: RC_PARAMS=\""
                << rc::detail::configToMinimalString(again) << "\"";
    }
    return {false, n_cases, message.str()};
}

} // namespace

std::string failures_in(const std::function<void()> & body) {
    testing::TestPartResultArray results;
    {
        const testing::ScopedFakeTestPartResultReporter reporter(
            testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
        body();
    }
    std::string text;
    for (int i = 0; i < results.size(); i++) {
        if (results.GetTestPartResult(i).failed()) {
            text += std::string(text.empty() ? "" : "\n") + results.GetTestPartResult(i).message();
        }
    }
    return text;
}

Search search(const std::string & name, const std::function<std::string()> & try_one, uint64_t seed, int n_cases) {
    Configuration configuration;
    configuration.testParams.seed = seed;
    configuration.testParams.maxSuccess = n_cases;
    return search_with(name, try_one, configuration);
}

void run_as_test(const std::function<std::string()> & try_one, int n_cases) {
    const testing::TestInfo & test = *testing::UnitTest::GetInstance()->current_test_info();
    const char * environment = std::getenv("RC_PARAMS");
    Configuration configuration;
    configuration.testParams.seed = 1;
    configuration.testParams.maxSuccess = (n_cases + kShare - 1) / kShare;
    try {
        configuration = rc::detail::configFromString(environment ? environment : "", configuration);
    } catch (const rc::detail::ConfigurationException & error) {
        FAIL() << "RC_PARAMS: " << error.what();
    }
    const std::string name = std::string(test.test_suite_name()) + "/" + test.name();
    const Search result = search_with(name, try_one, configuration);
    if (!result.passed) {
        FAIL() << result.message;
    }
    std::printf("%d cases, seed %llu\n", result.n_cases,
                static_cast<unsigned long long>(configuration.testParams.seed));
}

} // namespace property
