// Layout - where the fields of ggml's structs lie. All numbers are offsets in bytes.
//
// ggml's soname has stayed the same while its structs have changed. known_layouts() has those of all versions that can
// be attached; proof.h tells which one a ggml has. Layouts are constants. Any thread may read them.

#pragma once

#include <array>
#include <cstddef>

namespace ggml_sched::attach {

// kAbsent - the field does not exist in this layout.
constexpr size_t kAbsent = ~size_t{0};

struct BackendLayout { // struct ggml_backend
    size_t get_name, free, set_async, get_async, copy_async, synchronize, graph_compute, event_record, event_wait;
    size_t graph_optimize, device;
};

struct BufferLayout { // struct ggml_backend_buffer
    size_t free_buffer, get_base, init_tensor, memset_tensor, set_tensor, get_tensor, cpy_tensor, clear, reset;
    size_t buft, context, size, usage;
};

struct BuftLayout { // struct ggml_backend_buffer_type
    size_t get_name, alloc_buffer, get_alignment, get_max_size, get_alloc_size, is_host, device;
};

struct DeviceLayout { // struct ggml_backend_device
    size_t get_props, init_backend;
};

struct GraphLayout { // struct ggml_cgraph
    size_t size, n_nodes, n_leafs, nodes, grads, grad_accs, leafs, use_counts, hash_set, order, uid;
    size_t bytes; // of the struct
};

struct Layout {
    const char * age; // when ggml had it; versions do not tell, since two ggml 0.25.3 differ
    BackendLayout backend;
    BufferLayout buffer;
    BuftLayout buft;
    DeviceLayout device;
    GraphLayout graph;
};

// Returns the layouts of ggml, the oldest first.
const std::array<Layout, 4> & known_layouts();

} // namespace ggml_sched::attach
