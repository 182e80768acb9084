// Tests that observe what the contract leaves open. They never fail: they print lines that begin with "observed:".
// Simulated devices are left out: they would count the suite's own breaches of the contract.

#include <chrono>
#include <cstring>
#include <iostream>

#include "conformance_test.h"

namespace conformance {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void say(const Subject & subject, const std::string & text) {
    std::cout << "observed: " << subject.name << ": " << text << std::endl;
}

} // namespace

class Observed : public ConformanceTest {
  protected:
    void SetUp() override {
        ConformanceTest::SetUp();
        if (!IsSkipped() && (subject().simulated || !subject().is_async())) {
            GTEST_SKIP() << subject().name << " is simulated or not asynchronous";
        }
    }
    // The share of the queue's work that a call waits for
    void say_waits(World & world, const char * what, const std::function<void(ggml_backend_t backend)> & call) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * behind = world.vector_on(backend, 0.0f);
        world.delay(backend); // also measures the delay, once
        ggml_backend_synchronize(backend);
        const auto begin = Clock::now();
        world.delay(backend);
        const double enqueued = milliseconds_since(begin);
        call(backend);
        const double returned = milliseconds_since(begin);
        ggml_backend_synchronize(backend);
        (void) all_are(behind, 0.0f); // RPC's synchronize returns earlier
        const double done = milliseconds_since(begin);
        const bool waits = returned - enqueued > 0.5 * (done - enqueued);
        say(subject(), std::string(what) + (waits ? " waits for what is queued" : " returns at once"));
    }
    // Whether a source that changes after the call is still read
    void say_reads(World & world, const char * what, float * source) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 0.0f);
        world.delay(backend);
        ggml_backend_tensor_set_async(backend, x, source, 0, world.bytes());
        std::memset(source, 0, world.bytes());
        ggml_backend_synchronize(backend);
        say(subject(), std::string("set_tensor_async has read ") + what +
                           (all_are(x, 4.0f) ? " when it returns" : " only later: the source must stay"));
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, Observed, testing::ValuesIn(subjects()), parameter_name);

TEST_P(Observed, WhichCallsWait) {
    once([this](World & world) {
        ggml_tensor * x = world.vector_in(ggml_backend_dev_buffer_type(device()), 1.0f);
        ggml_tensor * y = world.vector_in(ggml_backend_dev_buffer_type(device()), 0.0f);
        float * pageable = world.pageable_vector(1.0f);
        float * pinned = world.pinned_vector(device(), 1.0f);
        say_waits(world, "graph_compute", [&](ggml_backend_t backend) { world.scale(backend, x, 2.0f, y); });
        say_waits(world, "set_tensor_async of pageable memory", [&](ggml_backend_t backend) {
            ggml_backend_tensor_set_async(backend, x, pageable, 0, world.bytes());
        });
        say_waits(world, "get_tensor_async to pageable memory", [&](ggml_backend_t backend) {
            ggml_backend_tensor_get_async(backend, x, pageable, 0, world.bytes());
        });
        if (pinned != nullptr) {
            say_waits(world, "set_tensor_async of pinned memory", [&](ggml_backend_t backend) {
                ggml_backend_tensor_set_async(backend, x, pinned, 0, world.bytes());
            });
            say_waits(world, "get_tensor_async to pinned memory", [&](ggml_backend_t backend) {
                ggml_backend_tensor_get_async(backend, x, pinned, 0, world.bytes());
            });
        }
        const ggml_backend_t other = world.backend();
        say_waits(world, "a copy to another backend of the device",
                  [&](ggml_backend_t backend) { ggml_backend_tensor_copy_async(backend, other, x, y); });
        ggml_backend_synchronize(other);
    });
}

TEST_P(Observed, WhetherSynchronizeWaits) {
    once([this](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        world.delay(backend); // measures it, once
        ggml_backend_synchronize(backend);
        (void) all_are(x, 1.0f);
        const auto begin = Clock::now();
        world.scale_late(backend, x, 2.0f, x);
        ggml_backend_synchronize(backend);
        const double synchronized = milliseconds_since(begin);
        (void) all_are(x, 2.0f);
        const double read = milliseconds_since(begin);
        say(subject(), synchronized > 0.5 * read ? "synchronize waits for the work"
                                                 : "synchronize returns early: the next read waits for the work");
    });
}

TEST_P(Observed, WhenTheSourceIsRead) {
    once([this](World & world) {
        say_reads(world, "pageable memory", world.pageable_vector(4.0f));
        if (float * pinned = world.pinned_vector(device(), 4.0f)) {
            say_reads(world, "pinned memory", pinned);
        }
    });
}

TEST_P(Observed, WhichQueueACopyIsOn) {
    once([this](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * y = world.vector_on(b, 5.0f);
        ggml_tensor * z = world.vector_on(b, 0.0f);
        world.delay(b);
        world.scale(b, y, 2.0f, z);
        ggml_backend_tensor_copy_async(a, b, x, y);
        ggml_backend_synchronize(b);
        ggml_backend_synchronize(a);
        say(subject(), all_are(z, 10.0f) ? "a copy comes after what is queued on its destination"
                                         : "a copy overtakes what is queued on its destination");
    });
}

} // namespace conformance
