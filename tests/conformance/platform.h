// The platform - what differs between our own ggml and a foreign one. platform_own.cpp and foreign/platform_foreign.cpp
// each implement all of it; a program is linked with one of them. One thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "queries.h"
#include "subject.h"

namespace conformance {

std::vector<Subject> find_subjects();

// Chooses the timing of simulated devices.
void set_schedule(uint64_t seed);
// Returns how often the suite itself has broken the contract, as simulated devices count it.
uint64_t n_violations();

// Remembers what is tried now: a backend of a foreign ggml may end the process.
void note(const std::string & what);

// These say what the scheduler takes for granted of devices whose registry does not answer.
bool known_event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);
CopyQueue known_copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst);
bool known_to_set_ranges(ggml_backend_dev_t device);
bool known_to_keep_records(ggml_backend_dev_t device);

} // namespace conformance
