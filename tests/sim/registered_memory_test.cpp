// Memory of the caller that is registered: devices read it when a copy executes, and may not write it.

#include "ggml-backend-impl.h"
#include "sim_fixture.h"

namespace {

class SimRegisteredMemory : public SimTest {
  protected:
    SimRegisteredMemory() { configure(true); }
    ~SimRegisteredMemory() override { configure(false); }

    template <typename Function> static Function proc(const char * name) {
        return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(ggml_backend_sim_reg(), name));
    }
    static bool register_memory(std::vector<float> & memory) {
        const auto function = proc<bool (*)(void *, size_t)>("ggml_backend_register_host_buffer");
        return function(memory.data(), memory.size() * sizeof(float));
    }
    static void unregister(std::vector<float> & memory) {
        proc<void (*)(void *)>("ggml_backend_unregister_host_buffer")(memory.data());
    }

    static constexpr int kRegistering = 6;

  private:
    static void configure(bool registers) {
        ggml_sim_config config = SimTest::config(GGML_SIM_PROFILE_CUDA);
        config.registers_memory = registers;
        EXPECT_TRUE(ggml_backend_sim_configure(kRegistering, &config));
    }
};

TEST_F(SimRegisteredMemory, IsOfferedOnlyIfADeviceDoesSo) {
    EXPECT_NE(proc<void *>("ggml_backend_register_host_buffer"), nullptr);
    ggml_sim_config config = SimTest::config(GGML_SIM_PROFILE_CUDA);
    ASSERT_TRUE(ggml_backend_sim_configure(kRegistering, &config));
    EXPECT_EQ(proc<void *>("ggml_backend_register_host_buffer"), nullptr);
}

TEST_F(SimRegisteredMemory, IsReadWhenTheCopyExecutes) {
    ggml_backend_sim_set_seed(0); // Nothing executes before it must.
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device, 0.0F);
    std::vector<float> memory(n, 1.0F);
    ASSERT_TRUE(register_memory(memory));
    EXPECT_FALSE(register_memory(memory)) << "it is registered";
    ggml_backend_tensor_set_async(device, tensor, memory.data(), 0, ggml_nbytes(tensor));
    memory.assign(n, 2.0F);
    ggml_backend_synchronize(device);
    EXPECT_EQ(values(tensor), memory);
    unregister(memory);
}

TEST_F(SimRegisteredMemory, IsNotWrittenByADevice) {
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device, 3.0F);
    std::vector<float> memory(n, 1.0F);
    ASSERT_TRUE(register_memory(memory));
    ggml_backend_tensor_get_async(device, tensor, memory.data(), 0, ggml_nbytes(tensor));
    ggml_backend_synchronize(device);
    EXPECT_EQ(memory[0], 1.0F);
    EXPECT_TRUE(was_logged("registered for reading only"));
    unregister(memory);
    expect_violations(1);
}

TEST_F(SimRegisteredMemory, IsUnregisteredOnceAndNotInUse) {
    ggml_backend_sim_set_seed(0);
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device, 0.0F);
    std::vector<float> memory(n, 1.0F);
    ASSERT_TRUE(register_memory(memory));
    ggml_backend_tensor_set_async(device, tensor, memory.data(), 0, ggml_nbytes(tensor));
    unregister(memory); // while the copy is queued
    unregister(memory);
    ggml_backend_synchronize(device);
    expect_violations(2);
}

TEST_F(SimRegisteredMemory, IsRefusedOnceIfTheCallIsToFail) {
    std::vector<float> memory(n, 1.0F);
    ASSERT_TRUE(ggml_backend_sim_fail(kRegistering, GGML_SIM_CALL_REGISTER_HOST_BUFFER, 1));
    EXPECT_FALSE(register_memory(memory));
    EXPECT_TRUE(register_memory(memory));
    unregister(memory);
}

} // namespace
