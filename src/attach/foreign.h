// foreign.h - functions of ggml that our headers do not declare. Their names and signatures are ggml's.

#pragma once

#include "ggml-backend.h"

extern "C" {
const char * ggml_version(void);
bool ggml_op_can_inplace(enum ggml_op op);
uint64_t ggml_graph_next_uid(void);
bool ggml_backend_buffer_copy_tensor(const struct ggml_tensor * src, struct ggml_tensor * dst);
void ggml_log_internal(enum ggml_log_level level, const char * format, ...);
}
