// Plan text - a plan as text: for people, for golden files, for failing tests. Names says what the numbers of the plan
// are called. All functions here are pure, and so any thread may call them.

#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

// Names - what the numbers of a plan are called
struct Names {
    std::vector<std::string> lanes;  // by lane
    std::vector<std::string> copies; // by binding: name of the copy
    std::vector<std::string> parts;  // by binding: which part is copied, as "by ids of topk"; "" if all is copied
    std::vector<bool> banks;         // by binding: true if a bank of the device is the source
    std::vector<size_t> others;      // by binding: how many other copies are sent with it
    std::vector<std::string> inputs; // by index into Splits::copies: name of the copy
    std::vector<std::string> splits; // by split: name of its backend
};

// Returns RAW, WAR, WAW, mode or throttle.
const char * name_of(plan::WaitCause cause);
// Returns the name of a copy without its backend, which the lane of the step names. The full name is
// backend#tensor#number.
std::string without_backend(const std::string & copy);
// Returns " and N more" for a copy that is sent with others; "" for one that is sent alone.
std::string others_text(size_t others);
// Return what some bytes, a task or a plan are called in messages and in the plan text.
std::string text_of(const plan::Access & bytes);
std::string text_of(const plan::Task & task, const Names & names);
std::string text_of(const plan::Plan & plan, const Names & names);

// Returns letters for the steps of the split: s the host waits, w a queue waits, a asynchronous copy, c blocking copy,
// g launch. Other steps have no letter.
std::string pattern_of(const plan::Plan & plan, int split);

} // namespace ggml_sched::observe
