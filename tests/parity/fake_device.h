// Devices for comparing schedulers, made of a real ggml's interfaces: memory of their own (in fact the host's), and
// graphs that the CPU backend computes at once. What they support and declare is chosen per device.
//
// Threading: as backends have it. A device outlives its backends and buffers.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ggml-backend.h"

namespace parity {

struct FakeTraits {
    bool async = true;
    bool events = true;
    bool offloads = false;         // takes matrix multiplications with weights in host memory
    bool uses_host_memory = false; // supports buffers of host memory in place
    bool is_host = false;          // says that its memory is host memory; some CPU backends compute in no other
    uint32_t unsupported = 0;      // seed: which operations it cannot do; 0: it can do all
};

// What was asked of a device since the last reset
struct Traffic {
    size_t bytes_set = 0; // from the host
    size_t bytes_got = 0;
};

class FakeDevice {
  public:
    FakeDevice(std::string name, const FakeTraits & traits, ggml_backend_t cpu);
    ~FakeDevice();
    FakeDevice(const FakeDevice &) = delete;
    FakeDevice & operator=(const FakeDevice &) = delete;

    ggml_backend_t backend() const;
    ggml_backend_buffer_type_t buffer_type() const;
    Traffic & traffic() const;

    struct State;

  private:
    std::unique_ptr<State> state_;
};

} // namespace parity
