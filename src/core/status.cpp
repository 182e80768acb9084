#include "ggml.h"

#include "enumerator.h"

extern "C" const char * ggml_status_to_string(enum ggml_status status) {
    switch (ggml_sched::core::number_of(status)) {
    case GGML_STATUS_ALLOC_FAILED: return "out of memory";
    case GGML_STATUS_FAILED: return "failed, see the log";
    case GGML_STATUS_SUCCESS: return "success";
    case GGML_STATUS_ABORTED: return "stopped by the caller";
    default: return "unknown status";
    }
}
