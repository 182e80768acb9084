// ggml-alloc.h - memory for graphs and contexts. Names, signatures and meaning are ggml's.
//
// Threading: an allocator belongs to one thread at a time.

#pragma once

#include "ggml.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;
typedef struct ggml_backend_buffer *      ggml_backend_buffer_t;
typedef struct ggml_backend *             ggml_backend_t;

// A linear allocator over one buffer
struct ggml_tallocr {
    ggml_backend_buffer_t buffer;
    void *                base;
    size_t                alignment;
    size_t                offset;
};

GGML_API struct ggml_tallocr ggml_tallocr_new(ggml_backend_buffer_t buffer);
// ALLOC_FAILED when the buffer has no room left; the tensor is then unchanged.
GGML_API enum ggml_status ggml_tallocr_alloc(struct ggml_tallocr * talloc, struct ggml_tensor * tensor);

// The graph allocator places every tensor of a graph that has no buffer yet and reuses memory as soon as the last
// reader in graph order is done. Tensors flagged INPUT are placed first, not overlapping; those flagged OUTPUT are
// never reused. It knows one order only, that of the nodes: whoever runs nodes on several queues has to order what
// shares memory (this is what the scheduler is for).
typedef struct ggml_gallocr * ggml_gallocr_t;

// bufts: n_bufs buffer types, which may repeat; equal ones share one buffer. NULL when memory runs out.
GGML_API ggml_gallocr_t ggml_gallocr_new(ggml_backend_buffer_type_t buft);
GGML_API ggml_gallocr_t ggml_gallocr_new_n(ggml_backend_buffer_type_t * bufts, int n_bufs);
GGML_API void           ggml_gallocr_free(ggml_gallocr_t galloc); // frees the buffers; NULL is allowed

// Plans the graph and makes the buffers large enough for it; false when a buffer cannot be allocated, and then the
// allocator holds no plan but can be used again. Growing frees the old buffer: nothing may be using it.
// node_buffer_ids[i], leaf_buffer_ids[i]: the index into bufts for node i, leaf i; NULL means 0 for all.
GGML_API bool ggml_gallocr_reserve(ggml_gallocr_t galloc, struct ggml_cgraph * graph);
GGML_API bool ggml_gallocr_reserve_n(ggml_gallocr_t galloc, struct ggml_cgraph * graph, const int * node_buffer_ids,
                                     const int * leaf_buffer_ids);
// As reserve_n, but only writes what each of the n_bufs buffers would need, in bytes, to sizes: 0 for a buffer type that
// repeats an earlier one, and 0 for all if the graph cannot be planned. The plan in force stays.
GGML_API void ggml_gallocr_reserve_n_size(ggml_gallocr_t galloc, struct ggml_cgraph * graph, const int * node_buffer_ids,
                                          const int * leaf_buffer_ids, size_t * sizes);

// Gives every tensor of the graph its address. With one buffer it plans anew where the graph does not fit the plan;
// with several it then returns false: call reserve_n first.
GGML_API bool ggml_gallocr_alloc_graph(ggml_gallocr_t galloc, struct ggml_cgraph * graph);

// Bytes; 0 for an index that repeats an earlier buffer type, so that sums count each buffer once.
GGML_API size_t ggml_gallocr_get_buffer_size(ggml_gallocr_t galloc, int buffer_id);

// One buffer for all tensors of ctx that have none yet. NULL when nothing is to be allocated, or memory runs out.
// The caller frees the buffer, after its last use.
GGML_API size_t                       ggml_backend_alloc_ctx_tensors_from_buft_size(struct ggml_context * ctx, ggml_backend_buffer_type_t buft);
GGML_API struct ggml_backend_buffer * ggml_backend_alloc_ctx_tensors_from_buft(struct ggml_context * ctx, ggml_backend_buffer_type_t buft);
GGML_API struct ggml_backend_buffer * ggml_backend_alloc_ctx_tensors(struct ggml_context * ctx, ggml_backend_t backend);

#ifdef __cplusplus
}
#endif
