// Subjects - the backends that the suite is run on: every one that the ggml at hand has.
//
// A subject is a kind of device: the CPU, one profile of the simulated devices, or what another registry lists. A new
// backend becomes a subject by registering itself; nothing here names it. One thread.

#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "ggml-backend.h"

namespace conformance {

struct Subject {
    std::string name;
    std::vector<ggml_backend_dev_t> devices; // at most two; none where this machine has no such device
    bool simulated = false;                  // its timing is decided by a seed
    bool exact = false;                      // computes what the CPU backend does, bit by bit
    double least_tolerance = 0;              // of operations that compute: more than this is a fault
    bool overcommits = false;                // more memory can be taken than there is, as from an operating system
    int64_t n = 64;                          // elements of a vector: enough that a transfer takes time

    ggml_backend_dev_props props() const; // of the first device
    bool is_async() const { return props().caps.async; }

    // Lets the next launch on the first device fail. Empty if nothing can.
    std::function<void()> fail_next_launch;
};

const std::vector<Subject> & subjects();
bool is_simulated(ggml_backend_dev_t device);

// What GoogleTest shows
std::string name_of(const Subject & subject);
std::ostream & operator<<(std::ostream & out, const Subject & subject);

} // namespace conformance
