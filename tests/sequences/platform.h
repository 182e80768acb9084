// Platform - the devices that sequences run on, and what only one kind of build has. One source file implements it:
// platform_sim.cpp over simulated devices, platform_fake.cpp over the interfaces of any ggml.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "sequence.h"

namespace sequences {

constexpr int kProfiles = 6; // Setup::devices are taken modulo it. The last one lacks operations.

class Platform {
  public:
    static std::unique_ptr<Platform> make(const Setup & setup);
    virtual ~Platform() = default;

    // The devices' backends, and the CPU's behind them. All schedulers share them.
    virtual const std::vector<ggml_backend_t> & backends() const = 0;

    // Makes the n-th next launch on a device fail; 0 takes it back. False if the platform cannot.
    virtual bool fail_launch(int device, int n) = 0;

    // True if an operation with bad row numbers fails when it is executed; else the program must not have any.
    virtual bool survives_bad_rows() const = 0;

    // True if inputs keep their values after a run. In a real ggml, later nodes may take their memory.
    virtual bool inputs_keep_values() const = 0;

    // Returns what devices saw of broken contracts; "" if nothing.
    virtual std::string violations() const = 0;
};

} // namespace sequences
