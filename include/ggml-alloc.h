// ggml-alloc.h - memory for the tensors of graphs and contexts. Names, signatures and meaning are ggml's.
//
// A ggml_tallocr places tensors behind each other in a buffer of the caller. A ggml_gallocr owns buffers and places the
// tensors of a graph in them. The functions ..._alloc_ctx_tensors_... make one buffer for all tensors of a context.
//
// Threading: one thread at a time uses an allocator, and the graphs and contexts that it works on.

#pragma once

#include "ggml.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;
typedef struct ggml_backend_buffer *      ggml_backend_buffer_t;
typedef struct ggml_backend *             ggml_backend_t;

// A linear allocator over one buffer. It does not own the buffer.
struct ggml_tallocr {
    ggml_backend_buffer_t buffer;
    void *                base;      // the address of the buffer's first byte
    size_t                alignment; // bytes
    size_t                offset;    // bytes from base to the next tensor
};

GGML_API struct ggml_tallocr ggml_tallocr_new(ggml_backend_buffer_t buffer);
// Places the tensor behind the one before. Returns ALLOC_FAILED, and does not place it, if the buffer has no room left.
GGML_API enum ggml_status ggml_tallocr_alloc(struct ggml_tallocr * talloc, struct ggml_tensor * tensor);

// A ggml_gallocr places every tensor of a graph that has no memory yet. It reuses memory behind the last reader in the
// order of the nodes. Leafs and tensors flagged INPUT are placed first, so they do not overlap. The memory of tensors
// flagged OUTPUT, and of results without a reader, is not reused. A caller that runs nodes on several queues must order
// the nodes that share memory. The scheduler of ggml-backend.h does so.
typedef struct ggml_gallocr * ggml_gallocr_t;

// `bufts` has n_bufs buffer types. Equal types share one buffer. Returns NULL if memory runs out or a type is NULL.
GGML_API ggml_gallocr_t ggml_gallocr_new(ggml_backend_buffer_type_t buft);
GGML_API ggml_gallocr_t ggml_gallocr_new_n(ggml_backend_buffer_type_t * bufts, int n_bufs);
GGML_API void           ggml_gallocr_free(ggml_gallocr_t galloc); // frees the buffers, too; NULL is allowed

// Plans the graph and makes the buffers large enough for it. A buffer that grows is freed, so nothing may use it.
// node_buffer_ids[i] and leaf_buffer_ids[i] are indices into `bufts`, for node i and leaf i. NULL means 0 for all.
// Returns false if memory runs out. The allocator then has no plan, and can be used again.
GGML_API bool ggml_gallocr_reserve(ggml_gallocr_t galloc, struct ggml_cgraph * graph);
GGML_API bool ggml_gallocr_reserve_n(ggml_gallocr_t galloc, struct ggml_cgraph * graph, const int * node_buffer_ids,
                                     const int * leaf_buffer_ids);
// Writes the bytes that each buffer would need for the graph to sizes[n_bufs]. The plan and the buffers stay. A size is
// 0 for a buffer type that repeats an earlier one. All sizes are 0 if the graph cannot be planned.
GGML_API void ggml_gallocr_reserve_n_size(ggml_gallocr_t galloc, struct ggml_cgraph * graph, const int * node_buffer_ids,
                                          const int * leaf_buffer_ids, size_t * sizes);

// Gives every tensor of the graph its address. If the graph does not fit the plan, an allocator of one buffer makes a
// plan, and one of several fails: call reserve_n before. Fails also if memory runs out or a buffer refuses a tensor.
GGML_API bool ggml_gallocr_alloc_graph(ggml_gallocr_t galloc, struct ggml_cgraph * graph);

// Returns bytes, and 0 for an index that repeats an earlier buffer type, so that sums count each buffer once.
GGML_API size_t ggml_gallocr_get_buffer_size(ggml_gallocr_t galloc, int buffer_id);

// Returns the bytes of a buffer for all tensors of `ctx` that have no memory; SIZE_MAX if no size_t can hold them.
GGML_API size_t                       ggml_backend_alloc_ctx_tensors_from_buft_size(struct ggml_context * ctx, ggml_backend_buffer_type_t buft);
// These make that buffer and place the tensors in it. The caller frees the buffer after its last use. They return NULL
// if the tensors need no bytes, memory runs out or the buffer refuses a tensor. On an error no tensor is placed.
GGML_API struct ggml_backend_buffer * ggml_backend_alloc_ctx_tensors_from_buft(struct ggml_context * ctx, ggml_backend_buffer_type_t buft);
GGML_API struct ggml_backend_buffer * ggml_backend_alloc_ctx_tensors(struct ggml_context * ctx, ggml_backend_t backend);

#ifdef __cplusplus
}
#endif
