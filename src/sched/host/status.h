// Status - how every stage reports failure: a ggml_status, and a sentence that says what to do. Success has no text,
// except about an earlier run that has failed in the meantime. It is a value.

#pragma once

#include <string>
#include <utility>

#include "ggml.h"

namespace ggml_sched {

// Status - the result of a call.
struct [[nodiscard]] Status {
    ggml_status code = GGML_STATUS_SUCCESS;
    std::string message;

    bool ok() const { return code == GGML_STATUS_SUCCESS; }

    // Both make a failure with this text.
    static Status failed(std::string text) { return {GGML_STATUS_FAILED, std::move(text)}; }
    static Status no_memory(std::string text) { return {GGML_STATUS_ALLOC_FAILED, std::move(text)}; }
};

} // namespace ggml_sched
