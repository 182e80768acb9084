// Calls that ggml_backend_sim_fail tells to fail do so once, and are told.

#include "sim_fixture.h"

namespace {

class SimFailures : public SimTest {
  protected:
    SimFailures() {
        ggml_sim_config told = config(GGML_SIM_PROFILE_CUDA);
        told.inits_tensors = true;
        EXPECT_TRUE(ggml_backend_sim_configure(kTold, &told));
    }

    static ggml_backend_dev_t told() { return ggml_backend_sim_device(kTold); }

    static constexpr int kTold = 5; // whose buffers are told of tensors
};

TEST_F(SimFailures, OfCallsThatReturnSomethingAreReturnedOnce) {
    const auto fails_once = [](ggml_sim_call call, auto works) {
        ASSERT_TRUE(ggml_backend_sim_fail(kTold, call, 2));
        EXPECT_TRUE(works()) << ggml_sim_call_name(call);
        EXPECT_FALSE(works()) << ggml_sim_call_name(call);
        EXPECT_TRUE(works()) << ggml_sim_call_name(call);
    };
    fails_once(GGML_SIM_CALL_INIT_BACKEND, [] {
        ggml_backend_t made = ggml_backend_dev_init(told(), nullptr);
        ggml_backend_free(made);
        return made != nullptr;
    });
    const auto allocates = [](ggml_backend_buffer_type_t buft) {
        ggml_backend_buffer_t made = ggml_backend_buft_alloc_buffer(buft, 64);
        ggml_backend_buffer_free(made);
        return made != nullptr;
    };
    fails_once(GGML_SIM_CALL_ALLOC_BUFFER, [&] { return allocates(ggml_backend_dev_buffer_type(told())); });
    fails_once(GGML_SIM_CALL_ALLOC_HOST_BUFFER, [&] { return allocates(ggml_backend_dev_host_buffer_type(told())); });
    fails_once(GGML_SIM_CALL_EVENT_NEW, [] {
        ggml_backend_event_t made = ggml_backend_event_new(told());
        ggml_backend_event_free(made);
        return made != nullptr;
    });
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(told()), 1024);
    fails_once(GGML_SIM_CALL_INIT_TENSOR, [&] {
        ggml_tensor * tensor = ggml_new_tensor_1d(ctx(), GGML_TYPE_F32, n);
        return ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)) == GGML_STATUS_SUCCESS;
    });
    ggml_backend_buffer_free(buffer);
    std::vector<char> bytes(64);
    fails_once(GGML_SIM_CALL_BUFFER_FROM_HOST_PTR, [&] {
        ggml_backend_buffer_t made =
            ggml_backend_dev_buffer_from_host_ptr(told(), bytes.data(), bytes.size(), bytes.size());
        ggml_backend_buffer_free(made);
        return made != nullptr;
    });
    EXPECT_EQ(counters().injected_failures, 6u);
}

TEST_F(SimFailures, OfAnAsynchronousCopyIsARefusal) {
    ggml_backend_t source = backend(0);
    ggml_backend_t target = backend(1);
    ggml_tensor * src = vector_on(source, 3.0f);
    ggml_tensor * dst = vector_on(target, 0.0f);
    ASSERT_TRUE(ggml_backend_sim_fail(1, GGML_SIM_CALL_COPY_ASYNC, 1));
    ggml_backend_tensor_copy_async(source, target, src, dst);
    EXPECT_EQ(counters().injected_failures, 1u);
    EXPECT_EQ(counters().copy_async_calls, 0u);
    EXPECT_EQ(first(dst), 3.0f) << "the caller has copied it";
}

TEST_F(SimFailures, OfOtherCallsAreToldByTheNextLaunch) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    const std::vector<float> twos(n, 2.0f);
    std::vector<float> got(n, 7.0f);
    ggml_backend_event_t event = event_of(0);
    ggml_backend_event_record(event, device);
    const auto call_all = [&] {
        ggml_backend_tensor_set_async(device, a, twos.data(), 0, ggml_nbytes(a));
        ggml_backend_tensor_get_async(device, a, got.data(), 0, ggml_nbytes(a));
        ggml_backend_event_record(event, device);
        ggml_backend_event_wait(device, event);
        ggml_backend_synchronize(device);
        ggml_backend_event_synchronize(event);
    };
    for (const ggml_sim_call call :
         {GGML_SIM_CALL_SET_ASYNC, GGML_SIM_CALL_GET_ASYNC, GGML_SIM_CALL_EVENT_RECORD, GGML_SIM_CALL_EVENT_WAIT,
          GGML_SIM_CALL_SYNCHRONIZE, GGML_SIM_CALL_EVENT_SYNCHRONIZE}) {
        SCOPED_TRACE(ggml_sim_call_name(call));
        fill(a, 1.0f);
        got.assign(n, 7.0f);
        ASSERT_TRUE(ggml_backend_sim_fail(0, call, 1));
        call_all();
        EXPECT_EQ(first(a), call == GGML_SIM_CALL_SET_ASYNC ? 1.0f : 2.0f);
        EXPECT_EQ(got[0], call == GGML_SIM_CALL_GET_ASYNC ? 7.0f : first(a));
        EXPECT_EQ(ggml_backend_graph_compute(device, scale(a, 2.0f, a)), GGML_STATUS_FAILED);
        EXPECT_EQ(ggml_backend_graph_compute(device, scale(a, 2.0f, a)), GGML_STATUS_SUCCESS);
    }
    EXPECT_EQ(counters().injected_failures, 6u);
}

TEST_F(SimFailures, OfAWaitForAnEventConcernTheBackendThatRecordedIt) {
    ggml_backend_t recorder = backend(0);
    ggml_backend_t other = ggml_backend_dev_init(ggml_backend_get_device(recorder), nullptr);
    ggml_backend_event_t event = event_of(0);
    const auto wait_in_vain = [&] {
        EXPECT_TRUE(ggml_backend_sim_fail(0, GGML_SIM_CALL_EVENT_SYNCHRONIZE, 1));
        ggml_backend_event_synchronize(event);
    };
    ggml_tensor * a = vector_on(recorder, 1.0f);
    ggml_backend_event_record(event, recorder);
    wait_in_vain();
    EXPECT_EQ(ggml_backend_graph_compute(other, scale(a, 2.0f, a)), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_graph_compute(recorder, scale(a, 2.0f, a)), GGML_STATUS_FAILED);
    ggml_backend_event_record(event, other);
    ggml_backend_free(other);
    wait_in_vain(); // the backend that would tell it is gone
    EXPECT_EQ(ggml_backend_graph_compute(recorder, scale(a, 2.0f, a)), GGML_STATUS_SUCCESS);
}

TEST_F(SimFailures, AreOfCallsThatExist) {
    EXPECT_STREQ(ggml_sim_call_name(GGML_SIM_CALL_LAUNCH), "launch");
    EXPECT_STREQ(ggml_sim_call_name(GGML_SIM_CALL_SYNCHRONIZE), "synchronize");
    for (const int number : {-1, static_cast<int>(GGML_SIM_CALL_COUNT), 1000}) {
        EXPECT_EQ(ggml_sim_call_name(static_cast<ggml_sim_call>(number)), nullptr);
        EXPECT_FALSE(ggml_backend_sim_fail(0, static_cast<ggml_sim_call>(number), 1));
    }
    EXPECT_FALSE(ggml_backend_sim_fail(GGML_SIM_MAX_DEVICES, GGML_SIM_CALL_LAUNCH, 1));
    EXPECT_FALSE(ggml_backend_sim_fail(0, GGML_SIM_CALL_LAUNCH, -1));
}

} // namespace
