// host_system.h - what tests need of the system, on Linux and on Windows: the environment, programs, a number that no
// other process has.
//
// One thread at a time may change the environment.

#pragma once

#include <cstdlib>
#include <string>

#ifdef _WIN32
#include <filesystem>
#include <process.h>
#else
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace platform {

#ifdef _WIN32

// Texts are UTF-8, as everywhere.
inline std::wstring wide(const std::string & text) {
    return std::filesystem::u8path(text).wstring();
}

inline bool set_env(const char * name, const char * value) {
    return _wputenv_s(wide(name).c_str(), wide(value).c_str()) == 0;
}

inline bool unset_env(const char * name) {
    return set_env(name, ""); // An empty variable does not exist there.
}

inline int process_id() {
    return _getpid();
}

// Runs a line of the shell. Returns its exit code. Arguments are quoted as on Linux.
inline int run_shell(std::string line) {
    for (char & letter : line) {
        letter = letter == '\'' ? '"' : letter;
    }
    return _wsystem(wide(line).c_str());
}

#else

inline bool set_env(const char * name, const char * value) {
    return setenv(name, value, 1) == 0;
}

inline bool unset_env(const char * name) {
    return unsetenv(name) == 0;
}

inline int process_id() {
    return getpid();
}

// Runs a line of the shell. Returns its exit code; -1 if it was killed.
inline int run_shell(const std::string & line) {
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif

} // namespace platform
