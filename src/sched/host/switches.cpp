#include "host/switches.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <new>
#include <set>

#include "host/system.h"

namespace ggml_sched::host {

namespace {

constexpr const char * kSwitches[] = {"GGML_SCHED",         "GGML_SCHED_SYNC",         "GGML_SCHED_VERIFY",
                                      "GGML_SCHED_REUSE",   "GGML_SCHED_TRACE",        "GGML_SCHED_STREAM",
                                      "GGML_SCHED_DEBUG",   "GGML_SCHED_STREAM_KEEP",  "GGML_SCHED_DEBUG_REALLOC",
                                      "GGML_SCHED_EXPERTS", "GGML_SCHED_EXPERT_MISSES"};

void say_once(const std::string & line) {
    static std::mutex mutex;
    static auto & said = *new std::set<std::string>; // stays, since schedulers may be made while the process ends
    const std::lock_guard<std::mutex> lock(mutex);
    if (said.insert(line).second) {
        std::fprintf(stderr, "ggml-sched: %s\n", line.c_str());
        std::fflush(stderr);
    }
}

std::string in_lower_case(std::string text) {
    for (char & c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

// Returns a value as messages show it: not longer than a line, without control characters.
std::string shown(const std::string & value) {
    constexpr size_t kMost = 60;
    std::string text = value.substr(0, kMost);
    for (char & c : text) {
        c = c >= ' ' && c != 127 ? c : '?';
    }
    return "'" + text + (value.size() > kMost ? "...'" : "'");
}

constexpr std::initializer_list<SwitchWord> kOnOff = {{"1", 1}, {"on", 1},  {"yes", 1}, {"true", 1},
                                                      {"0", 0}, {"off", 0}, {"no", 0},  {"false", 0}};

} // namespace

std::string value_of_switch(const char * name) {
    return value_of_variable(name);
}

size_t read_switch(const char * name, const char * words_in_text, std::initializer_list<SwitchWord> words,
                   size_t by_default) {
    const std::string value = value_of_switch(name);
    const std::string text = in_lower_case(value);
    const auto * const found =
        std::find_if(words.begin(), words.end(), [&](const SwitchWord & word) { return word.text == text; });
    if (found != words.end()) {
        return found->value;
    }
    if (!value.empty()) {
        say_once(std::string("error: ") + name + " is " + shown(value) + "; it must be " + words_in_text +
                 ". The default is used.");
    }
    return by_default;
}

bool read_on_off(const char * name, bool by_default) {
    return read_switch(name, "1 (on, yes, true) or 0 (off, no, false)", kOnOff, by_default ? 1 : 0) != 0;
}

int read_level(const char * name, int by_default) {
    if (value_of_switch(name) == "2") {
        return 2;
    }
    return static_cast<int>(read_switch(name, "0 (off), 1 (on) or 2", kOnOff, static_cast<size_t>(by_default)));
}

Choice read_choice() {
    constexpr auto kOurs = static_cast<size_t>(Choice::Ours);
#ifdef GGML_SCHED_DROP_IN
    return static_cast<Choice>(read_switch("GGML_SCHED", "ours or stock",
                                           {{"ours", kOurs}, {"stock", static_cast<size_t>(Choice::Stock)}}, 0));
#else
    return static_cast<Choice>(
        read_switch("GGML_SCHED", "ours: this library has no other scheduler", {{"ours", kOurs}}, 0));
#endif
}

void announce_scheduler(const char * scheduler) noexcept {
    const auto is_set = [](const char * name) { return !value_of_variable(name).empty(); };
    try {
        if (std::any_of(std::begin(kSwitches), std::end(kSwitches), is_set)) {
            say_once(std::string("made a scheduler: ") + scheduler);
        }
    } catch (const std::bad_alloc &) {
        // The scheduler is of use without the line.
    }
}

} // namespace ggml_sched::host
