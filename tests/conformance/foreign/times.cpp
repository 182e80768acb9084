#include "times.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"

namespace conformance {

namespace {

constexpr int64_t kSide = 4096; // of the matrix
constexpr size_t kLarge = size_t{64} << 20;
constexpr int kLaunches = 100; // beside a large copy
constexpr size_t kSmall = kSide * sizeof(float);

using Freed = std::unique_ptr<ggml_context, decltype(&ggml_free)>;
using Call = std::function<void()>;

// Returns the microseconds of the median call.
double median_us(const Call & call, int n) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> us;
    call(); // The first one also pays for what happens once.
    for (int i = 0; i < n; i++) {
        const Clock::time_point begin = Clock::now();
        call();
        us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    std::nth_element(us.begin(), us.begin() + n / 2, us.end());
    return us[static_cast<size_t>(n) / 2];
}

Freed make_context() {
    constexpr size_t kTensors = 32;
    return {ggml_init({kTensors * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true}), ggml_free};
}

// Timed - two backends of a device, with a graph of six products of a matrix and a vector. The process ends soon, so
// nothing is freed.
struct Timed {
    ggml_backend_dev_t device;
    ggml_backend_t first;
    ggml_backend_t second;
    Freed context = make_context();
    Freed host_context = make_context();
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_tensor * vector = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSide);
    ggml_tensor * large = ggml_new_tensor_1d(context.get(), GGML_TYPE_I8, kLarge);
    ggml_tensor * pinned = ggml_new_tensor_1d(host_context.get(), GGML_TYPE_I8, kLarge);
    ggml_backend_event_t event;

    explicit Timed(ggml_backend_dev_t which)
        : device(which)
        , first(ggml_backend_dev_init(which, nullptr))
        , second(ggml_backend_dev_init(which, nullptr))
        , event(ggml_backend_event_new(which)) {
        ggml_tensor * matrix = ggml_new_tensor_2d(context.get(), GGML_TYPE_F16, kSide, kSide);
        ggml_tensor * result = vector;
        for (int i = 0; i < 6; i++) {
            result = ggml_mul_mat(context.get(), matrix, result);
        }
        ggml_build_forward_expand(graph, result);
        ggml_backend_buffer_clear(ggml_backend_alloc_ctx_tensors(context.get(), first), 0);
        ggml_backend_buffer_clear(
            ggml_backend_alloc_ctx_tensors_from_buft(host_context.get(), ggml_backend_dev_host_buffer_type(device)), 0);
    }

    void launch() const { ggml_backend_graph_compute_async(first, graph); }
    void record() const { ggml_backend_event_record(event, first); }
    void wait() const { ggml_backend_synchronize(first); }
    void set_small() const { ggml_backend_tensor_set_async(first, vector, pinned->data, 0, kSmall); }
    void set_large() const { ggml_backend_tensor_set_async(second, large, pinned->data, 0, kLarge); }
};

void print(const char * what, double us) {
    std::printf("%-66s %9.1f us\n", what, us);
    std::fflush(stdout); // The next line may take long, or never come.
}

void print_calls(const Timed & timed) {
    constexpr int kTimes = 60;
    const auto show = [](const char * what, const Call & call) { print(what, median_us(call, kTimes)); };
    show("launch, synchronize", [&] { timed.launch(), timed.wait(); });
    show("launch, record, event_synchronize", [&] {
        timed.launch(), timed.record();
        ggml_backend_event_synchronize(timed.event);
    });
    show("set_async of 16 KiB out of pinned memory, launch, synchronize",
         [&] { timed.set_small(), timed.launch(), timed.wait(); });
    show("set_async, record, wait for it, launch, synchronize", [&] {
        timed.set_small(), timed.record();
        ggml_backend_event_wait(timed.first, timed.event);
        timed.launch(), timed.wait();
    });
    show("blocking set of 16 KiB", [&] { ggml_backend_tensor_set(timed.vector, timed.pinned->data, 0, kSmall); });
    const std::vector<char> pageable(kSmall);
    show("set_async of 16 KiB out of pageable memory, launch, synchronize", [&] {
        ggml_backend_tensor_set_async(timed.first, timed.vector, pageable.data(), 0, kSmall);
        timed.launch(), timed.wait();
    });
}

// Returns the KiB of this process that are in memory; 0 where the system does not tell.
double resident_kib() {
    constexpr double kPageKib = 4;
    std::ifstream file("/proc/self/statm");
    double all = 0;
    double resident = 0;
    file >> all >> resident;
    return resident * kPageKib;
}

// Records one event again and again. Some backends keep something for each record until the host waits for the event.
void print_kept(const Timed & timed) {
    constexpr int kRecords = 10000;
    const auto show = [&](const char * what, const Call & before) {
        const auto record = [&](int n) {
            for (int i = 0; i < n; i++) {
                before();
                timed.record();
                timed.wait();
            }
        };
        record(kRecords / 10); // What is made once is there afterwards.
        const double kib = resident_kib();
        record(kRecords);
        std::printf("%-66s %9.0f KiB\n", what, resident_kib() - kib);
        std::fflush(stdout);
    };
    if (resident_kib() > 0) {
        show("host memory for 10,000 records of an event", [] {});
        show("the same, with event_synchronize before each", [&] { ggml_backend_event_synchronize(timed.event); });
    }
}

// Copies on one backend, launches on another, and both.
void print_overlap(const Timed & timed) {
    constexpr int kTimes = 10;
    const Call copy = [&] { timed.set_large(), ggml_backend_synchronize(timed.second); };
    const Call launches = [&] {
        for (int i = 0; i < kLaunches; i++) {
            timed.launch();
        }
        timed.wait();
    };
    const double copy_us = median_us(copy, kTimes);
    const double launches_us = median_us(launches, kTimes);
    const double both_us = median_us(
        [&] {
            timed.set_large();
            ggml_backend_event_record(timed.event, timed.second); // Some backends submit nothing before that.
            launches();
            ggml_backend_synchronize(timed.second);
        },
        kTimes);
    print("set_async of 64 MiB on a second backend", copy_us);
    print("100 launches on the first", launches_us);
    print("both", both_us);
    const double hidden = (copy_us + launches_us - both_us) / std::min(copy_us, launches_us);
    std::printf("of the shorter one, %.0f %% are hidden behind the other\n", 100 * std::max(0.0, hidden));
}

} // namespace

int print_times(const std::string & device) {
    const ggml_backend_dev_t found = ggml_backend_dev_by_name(device.c_str());
    ggml_backend_dev_props props = {};
    if (found != nullptr) {
        ggml_backend_dev_get_props(found, &props);
    }
    if (!props.caps.async || !props.caps.events || ggml_backend_dev_host_buffer_type(found) == nullptr) {
        std::cerr << "times are those of a device with queues, events and pinned memory; --device names one\n";
        return 2;
    }
    std::printf("%s: %s\n", props.name, props.description);
    const Timed timed(found);
    print_calls(timed);
    print_overlap(timed);
    print_kept(timed);
    return 0;
}

} // namespace conformance
