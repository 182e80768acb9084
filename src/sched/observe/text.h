// A plan as text: for people, for golden files, for failing tests.

#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

// What the plan's numbers are called.
struct Names {
    std::vector<std::string> lanes;
    std::vector<std::string> copies; // by binding of a copy
    std::vector<std::string> ids;    // by binding of a copy: those that say which experts are copied; "": all
    std::vector<size_t> others;      // by binding of a copy: how many are sent with it
    std::vector<std::string> inputs; // by copy of a split's input
    std::vector<std::string> splits; // by split
};

const char * name_of(plan::WaitCause cause); // RAW, WAR, WAW, mode, throttle
std::string others_text(size_t others);      // of a copy that is sent with so many others
std::string text_of(const plan::Access & bytes);
std::string text_of(const plan::Task & task, const Names & names);
std::string text_of(const plan::Plan & plan, const Names & names);

// One letter per step of the split: s the host waits, w a queue waits, a asynchronous copy, c blocking copy, g launch.
std::string pattern_of(const plan::Plan & plan, int split);

} // namespace ggml_sched::observe
