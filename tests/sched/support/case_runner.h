// Runs a case on simulated devices, and compares with the CPU alone.
//
// Inputs are written at the first moment that the API allows it, results fetched as engines do it: enqueued on the
// backend that holds them, read after the next synchronize. Every plan must satisfy the verifier. In the mode auto, the
// host may wait only where no device can.

#pragma once

#include <string>
#include <vector>

#include "plan/rules.h"
#include "reuse/key_field.h"
#include "support/case.h"

namespace ggml_sched::test {

struct CaseChecks {
    bool verify = true;
    bool reuse = true;                     // false: nothing is kept from graph to graph
    std::vector<KeyField> ignored;         // of what kept results depend on; needs verify
    bool refuse_superfluous_waits = false; // takes time that grows with the square of the plan
    bool refuse_host_waits = false;        // except to throttle, and for reads of the caller
    std::vector<plan::Rule> off;
};

// The runs of a case by how devices got what they needed out of host memory
struct CaseReport {
    int streamed_whole = 0;
    int streamed_by_ids = 0;
    int changed = 0;      // streamed in one way after the same graph was streamed in the other
    int kept = 0;         // weights that were still there
    int resident = 0;     // experts had copies that stay on a device
    int parted = 0;       // some pairs were computed by the CPU, for want of an entry
    int uploaded = 0;     // all had an entry
    int in_banks = 0;     // experts were copied out of a bank
    int copied_whole = 0; // not streamed
    int copied_by_ids = 0;
    int caches_ahead = 0;
    int merged = 0;  // small inputs were sent at once
    int offered = 0; // weights, to the copy callback
};

// "" if all is as it should be; else the first thing that is not. Violations of the backends' contract are GoogleTest
// failures.
std::string run_case(const Case & job, const CaseChecks & checks = {}, CaseReport * report = nullptr);

} // namespace ggml_sched::test
