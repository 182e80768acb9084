#include "reserved.h"

#include <algorithm>
#include <memory>

#include "ggml.h"
#include "host/log.h"

GGML_SCHED_DECLARE_BOTH(get_buffer_size)
GGML_SCHED_DECLARE_BOTH(reserve)
GGML_SCHED_DECLARE_BOTH(reset)
GGML_SCHED_DECLARE_BOTH(set_tensor_backend)

namespace ggml_sched {

namespace {

struct ContextDeleter {
    void operator()(ggml_context * context) const { ggml_free(context); }
};
using ContextPtr = std::unique_ptr<ggml_context, ContextDeleter>;

constexpr size_t kMostTensors = 64; // A buffer needs one, or several if its type limits the size of a buffer.

ggml_backend_buffer_type_t buft_of(const Arguments & arguments, size_t backend) {
    return arguments.bufts.empty() ? ggml_backend_get_default_buffer_type(arguments.backends[backend])
                                   : arguments.bufts[backend];
}

// Adds a tensor of this size to the graph. The backend must keep it while the whole graph runs.
void add_tensor(const ggml_backend_sched & sched, ggml_context * context, ggml_cgraph * graph, size_t bytes,
                ggml_backend_t backend) {
    ggml_tensor * tensor = ggml_new_tensor_1d(context, GGML_TYPE_F32, static_cast<int64_t>(bytes / sizeof(float)));
    ggml_tensor * node = ggml_scale_inplace(context, tensor, 1.0F);
    for (ggml_tensor * each : {tensor, node}) {
        ggml_set_output(each);
        ggml_stock_sched_set_tensor_backend(sched.scheduler, each, backend);
    }
    ggml_build_forward_expand(graph, node);
}

} // namespace

std::vector<size_t> buffer_sizes_of(const ggml_backend_sched & sched) {
    std::vector<size_t> sizes;
    for (const ggml_backend_t backend : sched.record.arguments.backends) {
        sizes.push_back((sched.is_ours ? ggml_ours_sched_get_buffer_size
                                       : ggml_stock_sched_get_buffer_size)(sched.scheduler, backend));
    }
    return sizes;
}

void reserve_sizes(const ggml_backend_sched & sched, const std::vector<size_t> & sizes) {
    const size_t bytes = 2 * kMostTensors * ggml_tensor_overhead() + ggml_graph_overhead();
    const ContextPtr context(ggml_init({bytes, nullptr, true}));
    if (!context) {
        return;
    }
    ggml_cgraph * graph = ggml_new_graph(context.get());
    const Arguments & arguments = sched.record.arguments;
    size_t n_tensors = 0;
    for (size_t b = 0; b < sizes.size(); b++) {
        const size_t most = ggml_backend_buft_get_max_size(buft_of(arguments, b)) / sizeof(float) * sizeof(float);
        for (size_t left = sizes[b]; left >= sizeof(float) && n_tensors < kMostTensors; n_tensors++) {
            const size_t part = std::min(left, most);
            add_tensor(sched, context.get(), graph, part, arguments.backends[b]);
            left -= part;
        }
    }
    if (n_tensors == 0) {
        return;
    }
    if (!ggml_stock_sched_reserve(sched.scheduler, graph)) {
        host::log_warning("ggml's scheduler, which takes over, cannot reserve the memory that was reserved before; it "
                          "gets memory when a graph is allocated");
    }
    ggml_stock_sched_reset(sched.scheduler);
}

} // namespace ggml_sched
