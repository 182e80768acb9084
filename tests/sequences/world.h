// World - the schedulers, tensors and graphs of a running sequence, and the model of them.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "ggml-sched.h"
#include "model.h"
#include "platform.h"

namespace sequences {

class World {
  public:
    World(const Setup & setup, bool verify);
    ~World();
    World(const World &) = delete;
    World & operator=(const World &) = delete;

    Model model;

    ggml_backend_sched_t sched(int s) const { return scheds_[static_cast<size_t>(s)]; }
    const std::vector<ggml_backend_t> & backends() const { return platform_->backends(); }
    int n_devices() const { return static_cast<int>(backends().size()) - 1; }
    const Platform & platform() const { return *platform_; }
    Platform & platform() { return *platform_; }

    // Frees what is in the slot. The new graph is described in the same memory.
    void build(int slot, const GraphSpec & spec, uint64_t seed);
    void renew(int s);

    // Writes values that the tensor's memory and the model then hold.
    void write(int id, uint64_t seed, bool is_bad = false); // is_bad: row numbers that no cache has
    // "" if the tensor holds what the model says
    std::string compare(int id) const;

    // Where nodes point, and which tensors have memory: "" if all is as the caller left it
    std::string check_descriptions() const;

    // Notes which schedulers have replaced buffers.
    void note_buffers();
    // True if the caller has allocated inputs of this slot's graph.
    bool has_buffers(int slot) const { return !slots_[static_cast<size_t>(slot)].buffers.empty(); }
    // True if a scheduler that is freed would not wait for all its devices.
    bool has_device_without_events() const;

  private:
    struct Slot {
        std::vector<char> memory;
        ggml_context * context = nullptr;
        std::vector<ggml_backend_buffer_t> buffers; // of inputs that the caller allocates
    };

    void free_graph(int slot);
    void make_persistent(const Setup & setup);
    int add_persistent(const char * name, int64_t n_rows, int place, bool is_weight, Values values);
    ggml_backend_buffer_t put(ggml_tensor * tensor, int place);
    std::vector<size_t> buffer_sizes(int s) const;

    const Setup setup_;
    const bool verify_;
    std::unique_ptr<Platform> platform_;
    ggml_context * persistent_ = nullptr;
    std::vector<ggml_backend_buffer_t> buffers_;
    std::array<Slot, kSlots> slots_;
    std::vector<ggml_backend_sched_t> scheds_;
    std::vector<std::vector<size_t>> buffer_sizes_;
};

// Blocks; nothing may be in flight.
Values read(const ggml_tensor * tensor);

} // namespace sequences
