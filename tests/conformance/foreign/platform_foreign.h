// The words of the command line, for the program that checks a foreign ggml. One thread uses them.

#pragma once

#include <string>
#include <vector>

namespace conformance {

struct ForeignOptions {
    std::string device;                 // the device to test; empty: the first device of each registry
    std::string libraries;              // the folder of a ggml whose backends are loaded while it runs
    std::vector<std::string> endpoints; // HOST:PORT of RPC servers, whose devices are added
};

ForeignOptions & foreign_options();

// Returns the subject of the tested device; "" if it is not there.
std::string subject_of_device();

// Serves the CPU at HOST:PORT by ggml's RPC backend. Returns only if it cannot.
void serve(const std::string & endpoint);

// Returns what was tried last. A signal handler may call it.
const char * last_note();

} // namespace conformance
