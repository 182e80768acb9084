// procs.h - the functions that a backend's registry gives by their names (get_proc_address). Any thread.

#pragma once

#include <cstddef>
#include <cstring>

namespace ggml_sched::core {

struct Proc {
    const char * name;
    void * address;
};

// address_of<type of the name>(function): the compiler checks that the function is of this type.
template <class F> void * address_of(F function) {
    return reinterpret_cast<void *>(function);
}

// Returns NULL if there is no function of this name.
template <size_t N> void * find_proc(const Proc (&procs)[N], const char * name) {
    for (const Proc & proc : procs) {
        if (std::strcmp(proc.name, name) == 0) {
            return proc.address;
        }
    }
    return nullptr;
}

} // namespace ggml_sched::core
