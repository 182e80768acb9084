// A program that was linked to the original library. Prints what it is answered, in one line.

#include <stdio.h>

__declspec(dllimport) extern int ggml_original_number;
__declspec(dllimport) const char * ggml_version(void);
__declspec(dllimport) int ggml_sum(int n, ...);
__declspec(dllimport) const char * ggml_backend_sched_new(void);
__declspec(dllimport) int ggml_backend_sched_unknown(void);

int main(void) {
    ggml_original_number++;
    printf("scheduler: %s; version: %s; sum: %d; number: %d; unknown: %d\n", ggml_backend_sched_new(), ggml_version(),
           ggml_sum(3, 20, 20, 2), ggml_original_number, ggml_backend_sched_unknown());
    return 0;
}
