#include "isolated.h"

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#endif

namespace sequences {

#ifdef _WIN32

// A process cannot be copied there.
std::string run_isolated(const Sequence & sequence, const Checks & checks) {
    return run_sequence(sequence, checks);
}

#else

namespace {

constexpr unsigned kSeconds = 20; // a sequence that takes longer hangs

[[noreturn]] void run_in_child(const Sequence & sequence, const Checks & checks, int out) {
    alarm(kSeconds);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) {
        _exit(2);
    }
    const std::string wrong = run_sequence(sequence, checks);
    const ssize_t n = write(out, wrong.data(), wrong.size());
    _exit(n == static_cast<ssize_t>(wrong.size()) ? 0 : 2);
}

} // namespace

std::string run_isolated(const Sequence & sequence, const Checks & checks) {
    int ends[2];
    if (pipe(ends) != 0) {
        return "no pipe";
    }
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_in_child(sequence, checks, ends[1]);
    }
    close(ends[1]);
    std::string wrong;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
        wrong.append(buffer, static_cast<size_t>(n));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status)                         ? "it crashes with signal " + std::to_string(WTERMSIG(status))
           : WIFEXITED(status) && !WEXITSTATUS(status) ? wrong
                                                       : "it exits with status " + std::to_string(status);
}

#endif

} // namespace sequences
