// Everything that the library was built with, and what the application adds. Any thread.

#include "arguments.h"
#include "enumerator.h"
#include "ggml-backend-impl.h"

#ifdef GGML_USE_CPU
#include "ggml-cpu.h"
#endif
#ifdef GGML_USE_CUDA
#include "ggml-cuda.h"
#endif
#ifdef GGML_USE_HIP
#include "ggml-hip.h"
#endif
#ifdef GGML_USE_SIM
#include "ggml-sim.h"
#endif

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

using ggml_sched::given;

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(const char * a, const char * b) {
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

class Registry {
  public:
    // The CPU comes last, so that an application that takes the first fitting device finds accelerators first.
    Registry() {
#ifdef GGML_USE_CUDA
        add(ggml_backend_cuda_reg());
#endif
#ifdef GGML_USE_HIP
        add(ggml_backend_hip_reg());
#endif
#ifdef GGML_USE_SIM
        add(ggml_backend_sim_reg());
#endif
#ifdef GGML_USE_CPU
        add(ggml_backend_cpu_reg());
#endif
    }

    void add(ggml_backend_reg_t reg) {
        if (reg == nullptr) {
            return;
        }
        if (reg->api_version != GGML_BACKEND_API_VERSION) {
            GGML_LOG_ERROR(
                "ggml_backend_register: %s is made for version %d of the interface, this is %d; rebuild it\n",
                reg->iface.get_name(reg), reg->api_version, GGML_BACKEND_API_VERSION);
            return;
        }
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (std::find(regs_.begin(), regs_.end(), reg) != regs_.end()) {
                return;
            }
            regs_.push_back(reg);
        }
        const size_t n_devices = reg->iface.get_device_count(reg);
        for (size_t i = 0; i < n_devices; i++) {
            add(reg->iface.get_device(reg, i));
        }
    }

    void add(ggml_backend_dev_t device) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (device != nullptr && std::find(devices_.begin(), devices_.end(), device) == devices_.end()) {
            devices_.push_back(device);
        }
    }

    size_t n_regs() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return regs_.size();
    }

    ggml_backend_reg_t reg(size_t index) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return index < regs_.size() ? regs_[index] : nullptr;
    }

    size_t n_devices() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return devices_.size();
    }

    ggml_backend_dev_t device(size_t index) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return index < devices_.size() ? devices_[index] : nullptr;
    }

  private:
    std::mutex mutex_; // not held while calling into a backend
    std::vector<ggml_backend_reg_t> regs_;
    std::vector<ggml_backend_dev_t> devices_;
};

Registry & registry() {
    static Registry instance;
    return instance;
}

template <typename T> void add_to_registry(T object, const char * function) {
    try {
        registry().add(object);
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: out of host memory\n", function);
    }
}

} // namespace

const char * ggml_backend_reg_name(ggml_backend_reg_t reg) {
    return given(reg, __func__, "reg") ? reg->iface.get_name(reg) : "(null)";
}

size_t ggml_backend_reg_dev_count(ggml_backend_reg_t reg) {
    return given(reg, __func__, "reg") ? reg->iface.get_device_count(reg) : 0;
}

ggml_backend_dev_t ggml_backend_reg_dev_get(ggml_backend_reg_t reg, size_t index) {
    if (!given(reg, __func__, "reg") || index >= reg->iface.get_device_count(reg)) {
        return nullptr;
    }
    return reg->iface.get_device(reg, index);
}

void * ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char * name) {
    if (!given(reg, __func__, "reg") || !given(name, __func__, "name") || reg->iface.get_proc_address == nullptr) {
        return nullptr;
    }
    return reg->iface.get_proc_address(reg, name);
}

void ggml_backend_register(ggml_backend_reg_t reg) {
    if (given(reg, __func__, "reg")) {
        add_to_registry(reg, __func__);
    }
}

void ggml_backend_device_register(ggml_backend_dev_t device) {
    if (given(device, __func__, "device")) {
        add_to_registry(device, __func__);
    }
}

size_t ggml_backend_reg_count(void) {
    return registry().n_regs();
}

ggml_backend_reg_t ggml_backend_reg_get(size_t index) {
    return registry().reg(index);
}

ggml_backend_reg_t ggml_backend_reg_by_name(const char * name) {
    if (!given(name, __func__, "name")) {
        return nullptr;
    }
    for (size_t i = 0; i < registry().n_regs(); i++) {
        ggml_backend_reg_t reg = registry().reg(i);
        if (same_name(ggml_backend_reg_name(reg), name)) {
            return reg;
        }
    }
    return nullptr;
}

size_t ggml_backend_dev_count(void) {
    return registry().n_devices();
}

ggml_backend_dev_t ggml_backend_dev_get(size_t index) {
    return registry().device(index);
}

ggml_backend_dev_t ggml_backend_dev_by_name(const char * name) {
    if (!given(name, __func__, "name")) {
        return nullptr;
    }
    for (size_t i = 0; i < registry().n_devices(); i++) {
        ggml_backend_dev_t device = registry().device(i);
        if (same_name(ggml_backend_dev_name(device), name)) {
            return device;
        }
    }
    return nullptr;
}

ggml_backend_dev_t ggml_backend_dev_by_type(enum ggml_backend_dev_type type) {
    if (!ggml_sched::core::is_below(type, GGML_BACKEND_DEVICE_TYPE_META + 1)) {
        return nullptr;
    }
    for (size_t i = 0; i < registry().n_devices(); i++) {
        ggml_backend_dev_t device = registry().device(i);
        if (ggml_backend_dev_type(device) == type) {
            return device;
        }
    }
    return nullptr;
}

ggml_backend_t ggml_backend_init_by_name(const char * name, const char * params) {
    ggml_backend_dev_t device = ggml_backend_dev_by_name(name);
    return device != nullptr ? ggml_backend_dev_init(device, params) : nullptr;
}

ggml_backend_t ggml_backend_init_by_type(enum ggml_backend_dev_type type, const char * params) {
    const bool is_type = ggml_sched::core::is_below(type, GGML_BACKEND_DEVICE_TYPE_META + 1);
    ggml_backend_dev_t device = is_type ? ggml_backend_dev_by_type(type) : nullptr;
    return device != nullptr ? ggml_backend_dev_init(device, params) : nullptr;
}

ggml_backend_t ggml_backend_init_best(void) {
    for (const auto type :
         {GGML_BACKEND_DEVICE_TYPE_GPU, GGML_BACKEND_DEVICE_TYPE_IGPU, GGML_BACKEND_DEVICE_TYPE_CPU}) {
        ggml_backend_dev_t device = ggml_backend_dev_by_type(type);
        if (device != nullptr) {
            return ggml_backend_dev_init(device, nullptr);
        }
    }
    return nullptr;
}
