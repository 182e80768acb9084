// Devices for a build of any ggml: memory of their own, and graphs that the CPU computes at once.

#include "fake_device.h"
#include "platform.h"

namespace sequences {

namespace {

class FakePlatform : public Platform {
  public:
    explicit FakePlatform(const Setup & setup)
        : cpu_(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr)) {
        use_one_thread();
        for (size_t i = 0; i < setup.devices.size(); i++) {
            const int profile = setup.devices[i] % kProfiles;
            parity::FakeTraits traits;
            traits.async = profile != 2;
            traits.events = profile != 1 && profile != 2;
            traits.uses_host_memory = profile == 3;
            traits.offloads = setup.op_offload;
            const bool lacks = profile == kProfiles - 1;
            traits.unsupported = lacks ? static_cast<uint32_t>(setup.adversary % 64 + i) + 1 : 0;
            devices_.push_back(std::make_unique<parity::FakeDevice>("FAKE" + std::to_string(i), traits, cpu_));
            backends_.push_back(devices_.back()->backend());
        }
        backends_.push_back(cpu_);
    }

    ~FakePlatform() override {
        devices_.clear();
        ggml_backend_free(cpu_);
    }

    const std::vector<ggml_backend_t> & backends() const override { return backends_; }
    bool fail_launch(int, int) override { return false; }
    bool survives_bad_rows() const override { return false; }
    bool inputs_keep_values() const override { return false; }
    std::string violations() const override { return ""; }

  private:
    // Threads that wait for each other take longer than such small graphs.
    void use_one_thread() const {
        ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(ggml_backend_get_device(cpu_));
        void * function = ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads");
        if (function) {
            reinterpret_cast<ggml_backend_set_n_threads_t>(function)(cpu_, 1);
        }
    }

    ggml_backend_t cpu_;
    std::vector<std::unique_ptr<parity::FakeDevice>> devices_;
    std::vector<ggml_backend_t> backends_;
};

} // namespace

std::unique_ptr<Platform> Platform::make(const Setup & setup) {
    return std::make_unique<FakePlatform>(setup);
}

} // namespace sequences
