// The fixture of tests on GPUs, one instance for each vendor of whom this machine has devices.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ggml-cpu.h"
#include "gpus.h"
#include "support/rig.h"

namespace gpu_tests {

using ggml_sched::test::BackendPtr;
using ggml_sched::test::BufferPtr;
using ggml_sched::test::ContextPtr;

class GpuTest : public testing::TestWithParam<Vendor> {
  protected:
    const Vendor & vendor() const { return GetParam(); }
    ggml_backend_dev_t device(size_t i = 0) const { return vendor().devices[i]; }
    BackendPtr open_backend(size_t i = 0) const { return BackendPtr(ggml_backend_dev_init(device(i), nullptr)); }

    using Contents = std::vector<std::pair<ggml_tensor *, std::vector<float>>>;
    // Places the tensors of the context, fills some, computes the node and returns its words as floats.
    static std::vector<float> compute(ggml_backend_t backend, ggml_context * ctx, ggml_tensor * node,
                                      const Contents & contents);
};

std::string vendor_name(const testing::TestParamInfo<Vendor> & info);

} // namespace gpu_tests
