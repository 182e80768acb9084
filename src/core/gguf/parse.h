// gguf_parse.h - the description in a GGUF file: kv pairs and tensors, checked.
//
// Threading: one thread at a time.

#pragma once

#include "gguf/context.h"
#include "gguf/source.h"

namespace ggml_sched::gguf {

// Reads everything before the tensor data into a fresh context. False if something is wrong: reader.problem() says
// what. Whether the tensor data is there is not looked at.
bool parse(Reader & reader, gguf_context & ctx);

// Bytes from the beginning of the tensor data to the end of the last tensor
uint64_t data_size(const gguf_context & ctx);

} // namespace ggml_sched::gguf
