// The conformance suite for the backends of a foreign ggml. scripts/check-backend builds and runs it.
//
//   check-backend [--device NAME] [--rpc HOST:PORT ...] [--libraries DIR] [options of GoogleTest]
//   check-backend --list-devices             prints the devices
//   check-backend --times --device NAME      prints how long calls take, and whether copies and launches overlap
//   check-backend --serve HOST:PORT          is an RPC server of the CPU

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>

#include "platform_foreign.h"
#include "subject.h"
#include "times.h"

namespace {

using namespace conformance;

bool list_devices = false;
bool times = false;
std::string served;

// Takes our options out of the command line. Returns false if one is incomplete.
bool take_options(int & argc, char ** argv) {
    int n_left = 1;
    for (int i = 1; i < argc; i++) {
        const std::string word = argv[i];
        if (word == "--list-devices") {
            list_devices = true;
        } else if (word == "--times") {
            times = true;
        } else if (word == "--device" || word == "--rpc" || word == "--libraries" || word == "--serve") {
            if (++i == argc) {
                std::cerr << word << " needs a value\n";
                return false;
            }
            if (word == "--rpc") {
                foreign_options().endpoints.push_back(argv[i]);
            } else {
                (word == "--device"  ? foreign_options().device
                 : word == "--serve" ? served
                                     : foreign_options().libraries) = argv[i];
            }
        } else {
            argv[n_left++] = argv[i];
        }
    }
    argc = n_left;
    argv[argc] = nullptr;
    return true;
}

// Says what was tried when the process ends. Only functions that a signal handler may call are used.
extern "C" void say_last_note(int signal_number) {
    for (const char * text : {"while trying: ", last_note(), "\n"}) {
        if (write(STDERR_FILENO, text, std::strlen(text)) < 0) {
            break;
        }
    }
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
}

const char * yes_or_no(bool value) {
    return value ? "yes" : "no";
}

void print_devices() {
    for (const Subject & subject : subjects()) {
        const ggml_backend_dev_props props = subject.props();
        std::cout << name_of(subject) << ": " << props.name << ", " << props.description << "; declares async "
                  << yes_or_no(props.caps.async) << ", events " << yes_or_no(props.caps.events) << ", host_buffer "
                  << yes_or_no(props.caps.host_buffer) << ", buffer_from_host_ptr "
                  << yes_or_no(props.caps.buffer_from_host_ptr) << "\n";
    }
}

} // namespace

int main(int argc, char ** argv) {
    foreign_options().libraries = CONFORMANCE_LIBRARIES;
    if (!take_options(argc, argv)) {
        return 2;
    }
    if (!served.empty()) {
        serve(served);
        return 1;
    }
    if (list_devices) {
        print_devices();
        return 0;
    }
    if (!foreign_options().device.empty()) {
        const std::string subject = subject_of_device();
        if (subject.empty()) {
            std::cerr << "this ggml has no device " << foreign_options().device << "; --list-devices prints them\n";
            return 2;
        }
        testing::GTEST_FLAG(filter) = "*/" + subject; // before the command line is read, which may say otherwise
    }
    if (times) {
        return print_times(foreign_options().device);
    }
    for (const int signal_number : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS}) {
        std::signal(signal_number, say_last_note);
    }
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
