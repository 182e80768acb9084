// Runs a case and writes what the scheduler made of it: the graph's splits, and the plans of its runs.

#pragma once

#include <string>

#include "cases.h"

namespace ggml_sched::test {

std::string document_of(const Case & golden);

} // namespace ggml_sched::test
