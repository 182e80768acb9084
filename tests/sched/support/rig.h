// Rig - simulated devices, a CPU, and a scheduler over them, for one test.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "ggml-sim.h"

namespace ggml_sched {
struct TestHooks;
}

namespace ggml_sched::test {

struct BackendDeleter {
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
};
struct BufferDeleter {
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
struct ContextDeleter {
    void operator()(ggml_context * context) const { ggml_free(context); }
};
struct SchedDeleter {
    void operator()(ggml_backend_sched_t sched) const { ggml_backend_sched_free(sched); }
};
using BackendPtr = std::unique_ptr<ggml_backend, BackendDeleter>;
using BufferPtr = std::unique_ptr<ggml_backend_buffer, BufferDeleter>;
using ContextPtr = std::unique_ptr<ggml_context, ContextDeleter>;
using SchedPtr = std::unique_ptr<ggml_backend_sched, SchedDeleter>;

// Changes what only tests can change of a scheduler.
void change_hooks(ggml_backend_sched_t sched, const std::function<void(TestHooks &)> & change);

// Calls ggml_sched_set_streaming with these values.
void set_streaming(ggml_backend_sched_t sched, size_t budget, size_t lookahead = GGML_SCHED_STREAM_AUTO);

// Calls ggml_sched_set_experts with these values.
void set_experts(ggml_backend_sched_t sched, size_t budget,
                 ggml_sched_expert_misses misses = GGML_SCHED_EXPERT_MISSES_NONE);

// A context for descriptions of tensors and graphs
ContextPtr make_context(size_t n_tensors = 1024);

struct RigOptions {
    std::vector<ggml_sim_profile> devices; // in front of the CPU
    bool parallel = false;
    bool op_offload = false;
    int n_copies = 0;                 // with parallel; 0: the default
    size_t snapshot_limit = SIZE_MAX; // larger inputs are copied straight; SIZE_MAX: the default
    size_t stream = SIZE_MAX;         // bytes of the ring for streamed weights; SIZE_MAX: the default
    bool keep_weights = false;
    size_t experts = 0; // bytes of each device for resident experts
    ggml_sched_expert_misses misses = GGML_SCHED_EXPERT_MISSES_NONE;
    size_t stream_lane_from = SIZE_MAX; // bytes of inputs that go on the streaming queue; SIZE_MAX: the default
    int uploaded_percent = -1;          // of the missing experts, where they are shared; -1: the default
    uint64_t seed = 0;
    ggml_sched_sync_mode mode = GGML_SCHED_SYNC_AUTO;
    size_t memory_bytes = 0;        // of each device; 0: the default
    double flops_per_us = 0;        // of the virtual clock; 0: the default
    double link_bytes_per_us = 0;   // likewise
    bool offload = false;           // devices offer to take matrix products
    bool sets_ranges = false;       // and to send small inputs at once
    bool host_writes = false;       // the host writes small inputs to them where it need not wait for a run
    bool one_queue = false;         // they are treated as those of ggml's Vulkan
    bool inits_tensors = false;     // their buffers are told of each tensor
    bool registers_memory = false;  // they pin memory of the caller
    bool optimizes = false;         // they look at each graph, and change nothing
    bool reorders = false;          // in most graphs they change the order of nodes, and ask for alloc dependencies
    bool only_launches = false;     // devices enqueue launches, and set and get tensors by blocking, as ggml's RPC
    bool expect_violations = false; // the test breaks the contract on purpose
};

class Rig {
  public:
    explicit Rig(const RigOptions & options);
    ~Rig(); // fails the test if a device saw the contract broken, or did not where that is expected

    ggml_backend_sched_t sched() const { return sched_.get(); }
    ggml_backend_t device(int i) const { return backends_[i].get(); }
    ggml_backend_t cpu() const { return backends_.back().get(); }
    int n_devices() const { return static_cast<int>(backends_.size()) - 1; }

    std::string pattern(int split) const;
    std::string plan() const;
    ggml_sched_stats stats() const;

    // Frees parts early, to test that.
    void free_sched() { sched_.reset(); }
    void free_backends() { backends_.clear(); }

  private:
    const bool expect_violations_;
    std::vector<BackendPtr> backends_;
    SchedPtr sched_;
};

// Data of a host or device tensor as floats. Blocks; nothing may be in flight.
std::vector<float> read_floats(const ggml_tensor * tensor);
void write_floats(ggml_tensor * tensor, const std::vector<float> & values);
// Values between -1 and 1, the same for each seed
std::vector<float> random_floats(size_t n, uint64_t seed);
std::vector<float> ramp(size_t n, float first = 0.0f, float step = 1.0f);

// What the library logs while this exists, instead of printing it.
class LogCapture {
  public:
    LogCapture();
    ~LogCapture();
    const std::string & text() const { return text_; }
    bool contains(const std::string & part) const { return text_.find(part) != std::string::npos; }

  private:
    static void append(ggml_log_level level, const char * text, void * self);

    std::string text_;
    ggml_log_callback previous_;
    void * previous_data_;
};

} // namespace ggml_sched::test
