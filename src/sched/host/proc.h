// proc() - functions that a device's registry offers by name. Any thread may call it.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::host {

// Returns the function of this name; NULL if the registry does not offer it.
template <typename Function> Function proc(ggml_backend_dev_t device, const char * name) {
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device);
    return reg ? reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(reg, name)) : nullptr;
}

} // namespace ggml_sched::host
