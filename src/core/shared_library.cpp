#include "shared_library.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace ggml_sched::core {

#ifdef _WIN32

std::string library_file(const std::string & name, int version) {
    return version == 0 ? name + ".dll" : name + "64_" + std::to_string(version) + ".dll";
}

void * open_library(const std::string & file) {
    return LoadLibraryA(file.c_str());
}

void * find_in_library(void * library, const char * name) {
    return reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(library), name));
}

#else

std::string library_file(const std::string & name, int version) {
    return "lib" + name + ".so" + (version == 0 ? "" : "." + std::to_string(version));
}

void * open_library(const std::string & file) {
    return dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
}

void * find_in_library(void * library, const char * name) {
    return dlsym(library, name);
}

#endif

} // namespace ggml_sched::core
