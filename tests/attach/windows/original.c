// A library in place of ggml-base.dll, with a few of its functions: see CMakeLists.txt.

#include <stdarg.h>
#include <stddef.h>

#define EXPORTED __declspec(dllexport)

EXPORTED int ggml_original_number = 17;

EXPORTED const char * ggml_version(void) {
    return "original";
}

EXPORTED int ggml_sum(int n, ...) {
    va_list numbers;
    va_start(numbers, n);
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += va_arg(numbers, int);
    }
    va_end(numbers);
    return sum;
}

EXPORTED const char * ggml_backend_sched_new(void) {
    return "the original's";
}

// A function of a newer ggml
EXPORTED int ggml_backend_sched_unknown(void) {
    return 3;
}
