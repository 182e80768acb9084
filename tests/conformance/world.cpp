#include "world.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>

namespace conformance {

World::World(const Subject & subject, HostMemory memory)
    : subject_(subject)
    , memory_(memory)
    , ctx_(ggml_init({size_t{4} << 20, nullptr, true})) {}

World::~World() {
    for (ggml_backend_t backend : backends_) {
        ggml_backend_free(backend);
    }
    for (ggml_backend_event_t event : events_) {
        ggml_backend_event_free(event);
    }
    for (ggml_backend_buffer_t buffer : buffers_) {
        ggml_backend_buffer_free(buffer);
    }
    ggml_free(ctx_);
}

ggml_backend_t World::backend_on(ggml_backend_dev_t device) {
    const ggml_backend_t backend = ggml_backend_dev_init(device, nullptr);
    EXPECT_NE(backend, nullptr) << "no backend of " << ggml_backend_dev_name(device);
    backends_.push_back(backend);
    return backend;
}

void World::free_backend(ggml_backend_t backend) {
    backends_.erase(std::find(backends_.begin(), backends_.end(), backend));
    ggml_backend_free(backend);
}

ggml_backend_event_t World::event_of(ggml_backend_dev_t device) {
    const ggml_backend_event_t event = ggml_backend_event_new(device);
    EXPECT_NE(event, nullptr) << "no event of " << ggml_backend_dev_name(device);
    events_.push_back(event);
    return event;
}

OneQueue World::one_queue() {
    const ggml_backend_t queue = backend();
    return {queue, event_of(subject_.devices[0]), vector_on(queue, 1.0f), vector_on(queue, 0.0f)};
}

TwoQueues World::two_queues() {
    const ggml_backend_t a = backend();
    const ggml_backend_t b = backend();
    return {a, b, event_of(subject_.devices[0]), vector_on(a, 1.0f), vector_on(b, 0.0f)};
}

ggml_tensor * World::place(ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
    const ggml_backend_buffer_t buffer =
        ggml_backend_buft_alloc_buffer(buft, ggml_backend_buft_get_alloc_size(buft, tensor));
    EXPECT_NE(buffer, nullptr);
    buffers_.push_back(buffer);
    EXPECT_EQ(ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)), GGML_STATUS_SUCCESS);
    return tensor;
}

ggml_tensor * World::vector_in(ggml_backend_buffer_type_t buft) {
    return place(ggml_new_tensor_1d(ctx_, GGML_TYPE_F32, n()), buft);
}

ggml_tensor * World::vector_in(ggml_backend_buffer_type_t buft, float value) {
    ggml_tensor * tensor = vector_in(buft);
    const std::vector<float> data(static_cast<size_t>(n()), value);
    ggml_backend_tensor_set(tensor, data.data(), 0, bytes());
    return tensor;
}

ggml_tensor * World::vector_on(ggml_backend_t backend, float value) {
    return vector_in(ggml_backend_get_default_buffer_type(backend), value);
}

ggml_tensor * World::vector_on(ggml_backend_t backend) {
    return vector_in(ggml_backend_get_default_buffer_type(backend));
}

ggml_cgraph * World::graph_of(ggml_tensor * node) {
    ggml_cgraph * graph = ggml_new_graph_custom(ctx_, 64, false);
    ggml_build_forward_expand(graph, node);
    return graph;
}

ggml_cgraph * World::scale_graph(ggml_tensor * src, float factor, ggml_tensor * dst) {
    ggml_tensor * node = ggml_scale(ctx_, src, factor);
    EXPECT_EQ(ggml_backend_tensor_alloc(dst->buffer, node, dst->data), GGML_STATUS_SUCCESS);
    return graph_of(node);
}

ggml_status World::launch_scale(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst) {
    return ggml_backend_graph_compute_async(backend, scale_graph(src, factor, dst));
}

void World::scale(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst) {
    EXPECT_EQ(launch_scale(backend, src, factor, dst), GGML_STATUS_SUCCESS);
}

void World::scale_late(ggml_backend_t backend, ggml_tensor * src, float factor, ggml_tensor * dst) {
    delay(backend);
    scale(backend, src, factor, dst);
}

void World::delay(ggml_backend_t backend) {
    const ggml_backend_dev_t device = ggml_backend_get_device(backend);
    ggml_backend_dev_props props;
    ggml_backend_dev_get_props(device, &props);
    if (!props.caps.async) {
        return;
    }
    const Delay delay = is_simulated(device) ? Delay{4, 1} : delay_of(device);
    ggml_cgraph * graph = product_of(device, delay.side);
    for (int i = 0; i < delay.n_launches; i++) {
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
    }
}

ggml_cgraph * World::product_of(ggml_backend_dev_t device, int64_t side) {
    const ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device);
    ggml_tensor * operand = place(ggml_new_tensor_2d(ctx_, GGML_TYPE_F32, side, side), buft);
    ggml_backend_tensor_memset(operand, 0, 0, ggml_nbytes(operand));
    return graph_of(place(ggml_mul_mat(ctx_, operand, operand), buft));
}

World::Delay World::delay_of(ggml_backend_dev_t device) {
    static std::map<ggml_backend_dev_t, Delay> known;
    const auto found = known.find(device);
    return found != known.end() ? found->second : known[device] = World(subject_, memory_).measured_delay(device);
}

// A product of matrices that takes at least a millisecond, or the largest one; and so many that they take 20. It is
// done when a read returns: RPC's synchronize returns earlier.
World::Delay World::measured_delay(ggml_backend_dev_t device) {
    if (std::getenv("GGML_SCHED_TEST_SHORT_DELAYS") != nullptr) { // under a sanitizer of the device
        return {128, 16};
    }
    const ggml_backend_t backend = backend_on(device);
    for (int64_t side = 128;; side *= 2) {
        ggml_cgraph * graph = product_of(device, side);
        const auto milliseconds = [&] {
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_EQ(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
            float first = 0;
            ggml_backend_tensor_get(ggml_graph_node(graph, 0), &first, 0, sizeof(first));
            return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
        };
        milliseconds(); // the first launch loads the kernel
        const double taken = milliseconds();
        if (taken >= 1 || side == 2048) {
            return {side, std::clamp(static_cast<int>(20 / taken), 1, 16)};
        }
    }
}

float * World::host_vector(float value) {
    float * pinned = memory_ == HostMemory::Pinned ? pinned_vector(subject_.devices[0], value) : nullptr;
    return pinned != nullptr ? pinned : pageable_vector(value);
}

float * World::pageable_vector(float value) {
    host_vectors_.push_back(std::make_unique<std::vector<float>>(static_cast<size_t>(n()), value));
    return host_vectors_.back()->data();
}

float * World::pinned_vector(ggml_backend_dev_t device, float value) {
    const ggml_backend_buffer_type_t buft = ggml_backend_dev_host_buffer_type(device);
    return buft != nullptr ? static_cast<float *>(vector_in(buft, value)->data) : nullptr;
}

void put_in_order(ggml_backend_t before, ggml_backend_event_t event, ggml_backend_t after) {
    ggml_backend_event_record(event, before);
    ggml_backend_event_wait(after, event);
}

std::vector<float> values_of(const ggml_tensor * tensor) {
    std::vector<float> data(ggml_nbytes(tensor) / sizeof(float));
    ggml_backend_tensor_get(tensor, data.data(), 0, ggml_nbytes(tensor));
    return data;
}

std::vector<float> ramp(int64_t n) {
    std::vector<float> data(static_cast<size_t>(n));
    for (size_t i = 0; i < data.size(); i++) {
        data[i] = static_cast<float>(i);
    }
    return data;
}

testing::AssertionResult all_are(const float * data, int64_t n, float value) {
    for (int64_t i = 0; i < n; i++) {
        if (!(data[i] == value)) {
            return testing::AssertionFailure() << "element " << i << " is " << data[i] << ", not " << value;
        }
    }
    return testing::AssertionSuccess();
}

testing::AssertionResult all_are(const ggml_tensor * tensor, float value) {
    const std::vector<float> data = values_of(tensor);
    return all_are(data.data(), static_cast<int64_t>(data.size()), value);
}

} // namespace conformance
