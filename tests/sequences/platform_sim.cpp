#include "platform.h"

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
        for (size_t i = 0; i < setup.devices.size(); i++) {
            ggml_sim_config config =
                ggml_sim_config_default(static_cast<ggml_sim_profile>(setup.devices[i] % GGML_SIM_PROFILE_COUNT));
            config.offload = setup.op_offload;
            if (setup.is_tight) {
                config.memory_bytes = kLittleMemory;
            }
            const int index = static_cast<int>(i);
            is_configured_ = ggml_backend_sim_configure(index, &config) && is_configured_;
            backends_.push_back(ggml_backend_dev_init(ggml_backend_sim_device(index), nullptr));
        }
        backends_.push_back(ggml_backend_cpu_init());
        ggml_backend_cpu_set_n_threads(backends_.back(), 1);
    }

    ~SimPlatform() override {
        for (ggml_backend_t backend : backends_) {
            ggml_backend_free(backend);
        }
    }

    const std::vector<ggml_backend_t> & backends() const override { return backends_; }

    bool fail_launch(int device, int n) override { return ggml_backend_sim_fail_launch(device, n); }

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
    std::vector<ggml_backend_t> backends_;
    bool is_configured_ = true;
};

} // namespace

std::unique_ptr<Platform> Platform::make(const Setup & setup) {
    return std::make_unique<SimPlatform>(setup);
}

} // namespace sequences
