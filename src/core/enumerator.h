// enumerator.h - enumerators that a caller in C gives, who may give any number. Pure functions, any thread.

#pragma once

#include <cstring>
#include <type_traits>

namespace ggml_sched::core {

// Returns the number of an enumerator. To read it as what it claims to be is undefined if its type has no such value.
template <typename Enum> int number_of(const Enum & enumerator) {
    static_assert(std::is_enum_v<Enum> && sizeof(Enum) == sizeof(int));
    int number = 0;
    std::memcpy(&number, &enumerator, sizeof(number));
    return number;
}

// True if the number is 0 to n_enumerators - 1.
template <typename Enum> bool is_below(const Enum & enumerator, int n_enumerators) {
    const int number = number_of(enumerator);
    return number >= 0 && number < n_enumerators;
}

// Returns the enumerator, or `count`, the last one of its type, if its number is not below that.
template <typename Enum> Enum known_or_count(const Enum & enumerator, Enum count) {
    return is_below(enumerator, static_cast<int>(count)) ? enumerator : count;
}

} // namespace ggml_sched::core
