// The library that takes the name ggml-base.dll: it has one function of the scheduler, and forwards all others.

#include <windows.h>

typedef const char * (*new_function)(void);

__declspec(dllexport) const char * ggml_backend_sched_new(void) {
    static char text[64] = "ours, before ";
    const HMODULE original = GetModuleHandleA("ggml-base-original.dll");
    const new_function stock = (new_function) (void (*)(void)) GetProcAddress(original, "ggml_backend_sched_new");
    lstrcpynA(text + 13, stock ? stock() : "none", 51);
    return text;
}
