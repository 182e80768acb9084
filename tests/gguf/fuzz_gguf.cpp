// libFuzzer target: the first byte chooses no_alloc, the rest is the file.

#include <cstddef>
#include <cstdint>

#include "gguf.h"
#include "gguf_exercise.h"

namespace {

void drop(ggml_log_level, const char *, void *) {}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    ggml_log_set(drop, nullptr);
    if (size > 0) {
        gguf_test::exercise(data + 1, size - 1, data[0] % 2 == 0);
    }
    return 0;
}
