#include "compute.h"

#include "ggml-backend.h"
#include "ops/ops.h"
#include "supports_op.h"

#include <new>

namespace ggml_sched::cpu {

void ComputeContext::set_n_threads(int n_threads) {
    n_threads = std::clamp(n_threads, 1, GGML_MAX_N_THREADS);
    if (n_threads != n_threads_) {
        pool_.stop();
        n_threads_ = n_threads;
        thread_floats_ = 0;
    }
}

bool ComputeContext::reserve(int64_t thread_floats, size_t shared_bytes) {
    constexpr int64_t line = kAlignment / sizeof(float);
    thread_floats = (std::max(thread_floats, kScratchPieces * kPiece) + line - 1) / line * line;
    const size_t thread_bytes = static_cast<size_t>(thread_floats) * sizeof(float) * static_cast<size_t>(n_threads_);
    const size_t size = thread_bytes + shared_bytes + kAlignment;
    if (size > capacity_) {
        memory_.reset(); // before the new one: they need not both fit
        capacity_ = 0;
        memory_.reset(new (std::nothrow) unsigned char[size]);
        if (!memory_) {
            GGML_LOG_ERROR("%s: no memory for %zu bytes of scratch; use fewer threads or smaller batches\n", __func__,
                           size);
            return false;
        }
        capacity_ = size;
    }
    void * start = memory_.get();
    size_t space = capacity_;
    memory_start_ = static_cast<float *>(std::align(kAlignment, size - kAlignment, start, space));
    thread_floats_ = thread_floats;
    shared_start_ = reinterpret_cast<unsigned char *>(memory_start_) + thread_bytes;
    return true;
}

namespace {

// Can host code follow t's data?
bool has_host_data(const ggml_tensor * t) {
    return t->data != nullptr && (t->buffer == nullptr || ggml_backend_buffer_is_host(t->buffer));
}

bool check_node(const ggml_tensor * node) {
    if (!supports_op(node)) {
        GGML_LOG_ERROR("%s: '%s' (%s) has types, shapes or strides that the CPU backend does not compute; ask "
                       "ggml_backend_supports_op first\n",
                       __func__, node->name, ggml_op_desc(node));
        return false;
    }
    bool host = has_host_data(node);
    for (const ggml_tensor * src : node->src) {
        host = host && (src == nullptr || ggml_is_empty(src) || has_host_data(src));
    }
    if (!host) {
        GGML_LOG_ERROR("%s: '%s' (%s) or an operand of it is not in host memory; allocate the graph in a host buffer\n",
                       __func__, node->name, ggml_op_desc(node));
    }
    return host;
}

ggml_status compute_node(ComputeContext & ctx, ggml_tensor * node) {
    switch (node->op) {
    case GGML_OP_DUP:
    case GGML_OP_CPY:
    case GGML_OP_CONT: return compute_copy(ctx, node);
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return compute_binary(ctx, node);
    case GGML_OP_SUM_ROWS: return compute_sum_rows(ctx, node);
    case GGML_OP_ARGMAX: return compute_argmax(ctx, node);
    case GGML_OP_REPEAT: return compute_repeat(ctx, node);
    case GGML_OP_CONCAT: return compute_concat(ctx, node);
    case GGML_OP_RMS_NORM: return compute_rms_norm(ctx, node);
    case GGML_OP_MUL_MAT: return compute_mul_mat(ctx, node);
    case GGML_OP_MUL_MAT_ID: return compute_mul_mat_id(ctx, node);
    case GGML_OP_SCALE: return compute_scale(ctx, node);
    case GGML_OP_SET: return compute_set(ctx, node);
    case GGML_OP_GET_ROWS: return compute_get_rows(ctx, node);
    case GGML_OP_SET_ROWS: return compute_set_rows(ctx, node);
    case GGML_OP_SOFT_MAX: return compute_soft_max(ctx, node);
    case GGML_OP_ROPE: return compute_rope(ctx, node);
    case GGML_OP_ARGSORT: return compute_argsort(ctx, node);
    case GGML_OP_TOP_K: return compute_top_k(ctx, node);
    case GGML_OP_UNARY: return compute_unary(ctx, node);
    case GGML_OP_GLU: return compute_glu(ctx, node);
    case GGML_OP_CUSTOM: return compute_custom(ctx, node);
    default: return GGML_STATUS_FAILED; // check_node has refused it
    }
}

} // namespace

ggml_status compute_graph(ComputeContext & ctx, const ggml_cgraph * cgraph, const AbortCallback & abort) {
    if (cgraph->overflow) {
        GGML_LOG_ERROR("%s: the graph was too small for all of its nodes; make it with a greater size\n", __func__);
        return GGML_STATUS_FAILED;
    }
    if (!ctx.reserve(0, 0)) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    for (int i = 0; i < cgraph->n_nodes; ++i) {
        ggml_tensor * node = cgraph->nodes[i];
        if (abort.callback != nullptr && abort.callback(abort.data)) {
            return GGML_STATUS_ABORTED;
        }
        if ((node->flags & GGML_TENSOR_FLAG_COMPUTE) == 0 || node->op == GGML_OP_NONE || ggml_is_view_op(node->op) ||
            ggml_is_empty(node)) {
            continue;
        }
        if (!check_node(node)) {
            return GGML_STATUS_FAILED;
        }
        const ggml_status status = compute_node(ctx, node);
        if (status != GGML_STATUS_SUCCESS) {
            return status;
        }
    }
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
