// Properties - RapidCheck behind GoogleTest: what must hold for every value that a generator can make.
//
// A check uses EXPECT_..., ADD_FAILURE and so on; if any of them fails, the property fails for that value, and
// RapidCheck looks for a smaller one that fails, too. The test then prints that one, and the RC_PARAMS with which it
// runs again.
//
// Seeds are fixed, so that a test does the same everywhere, and printed. RC_PARAMS in the environment overrides:
//   RC_PARAMS="seed=17 max_success=100000"   other cases, and more of them
//   RC_PARAMS="reproduce=..."                the case of a failure, and nothing else
//
// One thread at a time.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <rapidcheck.h>

namespace property {

// The messages of all GoogleTest assertions that fail while `body` runs, instead of failing the test; "" if none does.
std::string failures_in(const std::function<void()> & body);

// What one search came to
struct Search {
    bool passed = false;
    int n_cases = 0;     // that passed
    std::string message; // of a failure: the smallest value, what is wrong, and how to reproduce it
};

// `try_one` draws a value and returns what is wrong with it. `name` is by what RC_PARAMS="reproduce=..." finds it
// again.
Search search(const std::string & name, const std::function<std::string()> & try_one, uint64_t seed, int n_cases);

// Runs the search as the current test: fewer cases under sanitizers, more as RC_PARAMS says.
void run_as_test(const std::function<std::string()> & try_one, int n_cases);

template <typename T, typename Check> std::function<std::string()> attempt(const rc::Gen<T> & gen, Check check) {
    return [gen, check] {
        const T value = *gen;
        return failures_in([&] { check(value); });
    };
}

template <typename T, typename Check> void expect_for_all(const rc::Gen<T> & gen, int n_cases, Check check) {
    run_as_test(attempt(gen, check), n_cases);
}

// The smallest value found for which the check fails, and its message; none if it holds for n_cases values.
template <typename T> struct Counterexample {
    T value;
    std::string message;
};

template <typename T, typename Check>
std::optional<Counterexample<T>> find_counterexample(const rc::Gen<T> & gen, uint64_t seed, int n_cases, Check check) {
    auto smallest = std::make_shared<std::optional<T>>();
    const auto remember = [gen, check, smallest] {
        const T value = *gen;
        const std::string failures = failures_in([&] { check(value); });
        if (!failures.empty()) {
            *smallest = value; // a smaller one is accepted as soon as it fails, so the last one is the smallest
        }
        return failures;
    };
    const Search result = search("", remember, seed, n_cases);
    if (result.passed || !*smallest) {
        return std::nullopt;
    }
    return Counterexample<T>{std::move(**smallest), result.message};
}

// A generator of values that are made from a seed and a size (0 to 100), and made smaller by `smaller`, which returns
// the values to try, the smallest first, as an rc::Seq.
template <typename T, typename Make, typename Smaller> rc::Gen<T> make_gen(Make make, Smaller smaller) {
    return [make, smaller](const rc::Random & random, int size) {
        return rc::shrinkable::shrinkRecur(T(make(rc::Random(random).next(), size)), smaller);
    };
}

} // namespace property
