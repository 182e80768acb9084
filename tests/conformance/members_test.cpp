// Which members a backend has. These tests need ggml's internal header.

#include "conformance_test.h"
#include "ggml-backend-impl.h"
#include "queries.h"

namespace conformance {

class MemberConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, MemberConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(MemberConformance, HostPointersAreTakenIfDeclared) {
    EXPECT_TRUE(!subject().props().caps.buffer_from_host_ptr || device()->iface.buffer_from_host_ptr != nullptr);
}

TEST_P(MemberConformance, MembersThatBelongTogetherAreThereTogether) {
    once([this](World & world) {
        const ggml_backend_dev_caps caps = subject().props().caps;
        const ggml_backend_i & backend = world.backend()->iface;
        const ggml_backend_device_i & iface = device()->iface;
        EXPECT_TRUE(!caps.async || backend.synchronize != nullptr) << "caps.async without synchronize";
        EXPECT_EQ(caps.events, backend.event_record != nullptr);
        EXPECT_EQ(caps.events, backend.event_wait != nullptr);
        EXPECT_EQ(caps.events, iface.event_new != nullptr);
        EXPECT_EQ(caps.events, iface.event_free != nullptr);
        EXPECT_EQ(caps.events, iface.event_synchronize != nullptr);
#ifndef CONFORMANCE_LACKS_ROWS
        EXPECT_TRUE(backend.set_tensor_2d_async == nullptr || backend.set_tensor_async != nullptr);
        EXPECT_TRUE(backend.get_tensor_2d_async == nullptr || backend.get_tensor_async != nullptr);
#endif
    });
}

// A pair for which the query names a queue is copied there: only what is refused may be NONE, and all that is refused.
TEST_P(MemberConformance, CopiesAreAcceptedAsTheRegistrySays) {
    for (const Subject & other : subjects()) {
        for (const ggml_backend_dev_t source : other.devices) {
            const CopyQueue queue = copy_queue(source, device());
            if (queue == CopyQueue::Unknown) {
                continue; // nothing is promised
            }
            SCOPED_TRACE(ggml_backend_dev_name(source));
            once([&](World & world) {
                const ggml_backend_t src = world.backend_on(source);
                const ggml_backend_t dst = world.backend();
                // The CPU's tensors are copied out of pinned memory if at all.
                const ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(device());
                const bool from_cpu = ggml_backend_dev_type(source) == GGML_BACKEND_DEVICE_TYPE_CPU;
                ggml_tensor * x =
                    from_cpu && pinned != nullptr ? world.vector_in(pinned, 3.0f) : world.vector_on(src, 3.0f);
                ggml_tensor * y = world.vector_on(dst, 0.0f);
                const auto copy = dst->iface.cpy_tensor_async;
                const bool accepted = copy != nullptr && copy(src, dst, x, y);
                EXPECT_EQ(accepted, queue != CopyQueue::None);
                ggml_backend_synchronize(src);
                ggml_backend_synchronize(dst);
                EXPECT_TRUE(all_are(y, accepted ? 3.0f : 0.0f)) << "a refused copy must leave no trace";
            });
        }
    }
}

} // namespace conformance
