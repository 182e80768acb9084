// context.h - what builders and graphs ask of a context: room for tensors, views and graphs.
//
// A context is an arena. Every object in it sits behind a small header that links it to the next, all aligned to
// GGML_MEM_ALIGN. Nothing is freed one by one. Whatever does not fit is refused with one line in the log, and leaves
// the context as it was. One thread at a time.

#pragma once

#include "ggml.h"

#include <cstddef>
#include <cstdint>

namespace ggml_sched::core {

// Type, shape and strides: all of a tensor that decides which bytes it covers.
struct Layout {
    ggml_type type;
    int64_t ne[GGML_MAX_DIMS];
    size_t nb[GGML_MAX_DIMS];
};

Layout layout_of(const ggml_tensor * tensor);

// Fills in a contiguous layout; dimensions beyond n_dims are 1. False, after a line in the log, for an unknown type,
// a negative dimension, a row that is not whole blocks, or more bytes than a signed 64-bit number counts.
bool contiguous_layout(const char * builder, const ggml_type & type, int n_dims, const int64_t * ne, Layout & layout);

// Bytes from the first to the last one that the layout covers; false if that overflows.
bool byte_extent(const Layout & layout, size_t & extent);

// Whether offset, and the strides that are used, are multiples of the type's size, so that every element is aligned.
bool is_aligned(const Layout & layout, size_t offset);

// A tensor with data, unless the context is no_alloc. The layout must be contiguous.
ggml_tensor * new_tensor(ggml_context * ctx, const Layout & layout);

// A tensor without data whatever the context says.
ggml_tensor * new_tensor_without_data(ggml_context * ctx, const Layout & layout);

// A view of the bytes at offset in src, or in what src is itself a view of. Refused if it leaves the latter.
ggml_tensor * new_view(const char * builder, ggml_context * ctx, const Layout & layout, ggml_tensor * src,
                       size_t offset);

// Zeroed room for a graph.
void * new_graph_memory(ggml_context * ctx, size_t size);

// What `size` bytes of an object take from the arena; SIZE_MAX if that overflows.
size_t object_footprint(size_t size);

} // namespace ggml_sched::core
