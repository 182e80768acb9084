#include "platform.h"

#include "fake_device.h"
#include "ggml-cpu.h"
#include "ggml-sim.h"

namespace sequences {

namespace {

constexpr size_t kLittleMemory = 6 * 1024;

class SimPlatform : public Platform {
  public:
    explicit SimPlatform(const Setup & setup) {
        ggml_backend_sim_set_seed(setup.adversary);
        ggml_backend_sim_reset_counters();
        cpu_ = ggml_backend_cpu_init();
        ggml_backend_cpu_set_n_threads(cpu_, 1);
        for (size_t i = 0; i < setup.devices.size(); i++) {
            const int profile = setup.devices[i] % kProfiles;
            profile == kProfiles - 1 ? add_fake(setup, static_cast<uint32_t>(i)) : add_sim(setup, static_cast<int>(i));
        }
        backends_.push_back(cpu_);
    }

    ~SimPlatform() override {
        for (ggml_backend_t backend : backends_) {
            if (ggml_backend_is_sim(backend)) {
                ggml_backend_free(backend);
            }
        }
        ggml_backend_free(cpu_);
    }

    const std::vector<ggml_backend_t> & backends() const override { return backends_; }

    bool fail_launch(int device, int n) override {
        return ggml_backend_is_sim(backends_[static_cast<size_t>(device)]) && ggml_backend_sim_fail_launch(device, n);
    }

    bool survives_bad_rows() const override { return true; }
    bool inputs_keep_values() const override { return true; }

    std::string violations() const override {
        ggml_sim_counters counters;
        ggml_backend_sim_get_counters(&counters);
        if (!is_configured_) {
            return "something of an earlier sequence is left on a device";
        }
        return counters.contract_violations == 0
                   ? ""
                   : std::to_string(counters.contract_violations) + " violations of the backends' contract";
    }

  private:
    void add_sim(const Setup & setup, int index) {
        const int profile = setup.devices[static_cast<size_t>(index)] % kProfiles;
        ggml_sim_config config = ggml_sim_config_default(static_cast<ggml_sim_profile>(profile));
        config.offload = setup.op_offload;
        if (setup.is_tight) {
            config.memory_bytes = kLittleMemory;
        }
        is_configured_ = ggml_backend_sim_configure(index, &config) && is_configured_;
        backends_.push_back(ggml_backend_dev_init(ggml_backend_sim_device(index), nullptr));
    }

    void add_fake(const Setup & setup, uint32_t index) {
        parity::FakeTraits traits;
        traits.is_host = true;
        traits.unsupported = static_cast<uint32_t>(setup.adversary % 64) + index + 1;
        fakes_.push_back(std::make_unique<parity::FakeDevice>("FAKE" + std::to_string(index), traits, cpu_));
        backends_.push_back(fakes_.back()->backend());
    }

    ggml_backend_t cpu_ = nullptr;
    std::vector<std::unique_ptr<parity::FakeDevice>> fakes_;
    std::vector<ggml_backend_t> backends_;
    bool is_configured_ = true;
};

} // namespace

std::unique_ptr<Platform> Platform::make(const Setup & setup) {
    return std::make_unique<SimPlatform>(setup);
}

} // namespace sequences
