// World - what one attempt of a test works with: backends, tensors, events. All of it is freed with the world, backends
// first: they wait for their work. One thread.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "subject.h"

namespace conformance {

// One queue of the subject's device, or two, with an event and vectors: what tests of an order begin with
struct OneQueue {
    ggml_backend_t backend;
    ggml_backend_event_t event;
    ggml_tensor * x; // ones
    ggml_tensor * y; // zeros
};
struct TwoQueues {
    ggml_backend_t a;
    ggml_backend_t b;
    ggml_backend_event_t event;
    ggml_tensor * x; // ones, for a
    ggml_tensor * y; // zeros, for b
};

// The host memory of a world. Backends treat both kinds differently: transfers of pageable memory often wait.
enum class HostMemory { Pageable, Pinned };

class World {
  public:
    World(const Subject & subject, HostMemory memory);
    ~World();

    World(const World &) = delete;
    World & operator=(const World &) = delete;

    // A new backend: another queue
    ggml_backend_t backend() { return backend_on(subject_.devices[0]); }
    ggml_backend_t backend_on(ggml_backend_dev_t device);
    void free_backend(ggml_backend_t backend);
    ggml_backend_event_t event_of(ggml_backend_dev_t device);

    OneQueue one_queue();
    TwoQueues two_queues();

    // F32 vectors of subject.n elements, each in a buffer of its own
    ggml_tensor * vector_in(ggml_backend_buffer_type_t buft);
    ggml_tensor * vector_in(ggml_backend_buffer_type_t buft, float value);
    ggml_tensor * vector_on(ggml_backend_t backend, float value);
    ggml_tensor * vector_on(ggml_backend_t backend); // content undefined
    ggml_tensor * place(ggml_tensor * tensor, ggml_backend_buffer_type_t buft);

    // Enqueues dst = factor * src. The graph stays until the world ends.
    ggml_status launch_scale(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst);
    // The same, which must succeed; at once, or behind work that delays it
    void scale(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst);
    void scale_late(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst);
    ggml_cgraph * scale_graph(ggml_tensor * src, float factor, ggml_tensor * dst);
    ggml_cgraph * graph_of(ggml_tensor * node);

    // Enqueues work of some milliseconds, so that what is enqueued next is not done before the host goes on.
    // Simulated devices are late by themselves and get little; synchronous ones nothing.
    void delay(ggml_backend_t backend);

    // Host memory of subject.n floats: of the world's kind, pageable, or pinned for a device
    float * host_vector(float value); // pageable if the subject has no pinned memory
    float * pageable_vector(float value);
    float * pinned_vector(ggml_backend_dev_t device, float value); // NULL if the device has no pinned memory

    ggml_context * ctx() { return ctx_; }
    const Subject & subject() const { return subject_; }
    int64_t n() const { return subject_.n; }
    size_t bytes() const { return static_cast<size_t>(subject_.n) * sizeof(float); }

  private:
    struct Delay {
        int64_t side; // of the matrices
        int n_launches;
    };
    ggml_cgraph * product_of(ggml_backend_dev_t device, int64_t side);
    Delay delay_of(ggml_backend_dev_t device); // measured once in a process
    Delay measured_delay(ggml_backend_dev_t device);

    const Subject & subject_;
    const HostMemory memory_;
    ggml_context * ctx_;
    std::vector<ggml_backend_t> backends_;
    std::vector<ggml_backend_event_t> events_;
    std::vector<ggml_backend_buffer_t> buffers_;
    std::vector<std::unique_ptr<std::vector<float>>> host_vectors_;
};

// What is enqueued on `after` from here on comes after what is on `before` by now.
void put_in_order(ggml_backend_t before, ggml_backend_event_t event, ggml_backend_t after);

// The tensor's bytes as floats, by a blocking read
std::vector<float> values_of(const ggml_tensor * tensor);

// 0, 1, 2, ...
std::vector<float> ramp(int64_t n);

testing::AssertionResult all_are(const float * data, int64_t n, float value);
testing::AssertionResult all_are(const ggml_tensor * tensor, float value); // by a blocking read

} // namespace conformance
