#include "tensor/context.h"

#include "checked.h"
#include "ggml-impl.h"

#include <cstring>
#include <new>

namespace {

enum class ObjectKind { Tensor, Graph };

struct alignas(GGML_MEM_ALIGN) Object {
    Object * next;
    ObjectKind kind;
};

constexpr size_t aligned(size_t size) {
    return GGML_PAD(size, static_cast<size_t>(GGML_MEM_ALIGN));
}

constexpr size_t tensor_size = aligned(sizeof(ggml_tensor));

void * payload(Object * object) {
    return object + 1;
}

} // namespace

struct ggml_context {
    char * memory;   // as given by the caller or allocated
    size_t mem_size; // of memory
    size_t begin;    // offset of the first object: aligns memory of the caller's
    size_t used;     // offset of the next object
    bool owns_memory;
    bool no_alloc;
    Object * first;
    Object * last;
};

namespace {

using namespace ggml_sched::core;

void * new_object(ggml_context * ctx, ObjectKind kind, size_t size) {
    const size_t footprint = object_footprint(size);
    if (footprint > ctx->mem_size - ctx->used) {
        GGML_LOG_ERROR("ggml_context: %zu bytes needed, %zu of %zu left; pass a larger mem_size to ggml_init\n",
                       footprint, ctx->mem_size - ctx->used, ctx->mem_size);
        return nullptr;
    }
    auto * object = new (ctx->memory + ctx->used) Object{nullptr, kind};
    ctx->used += footprint;
    if (ctx->last) {
        ctx->last->next = object;
    } else {
        ctx->first = object;
    }
    ctx->last = object;
    return payload(object);
}

ggml_tensor * new_tensor_object(ggml_context * ctx, const Layout & layout, size_t data_size) {
    size_t size = 0;
    if (!checked_add(tensor_size, data_size, size)) {
        size = SIZE_MAX;
    }
    void * memory = new_object(ctx, ObjectKind::Tensor, size);
    if (!memory) {
        return nullptr;
    }
    auto * tensor = new (memory) ggml_tensor{};
    tensor->type = layout.type;
    std::memcpy(tensor->ne, layout.ne, sizeof(tensor->ne));
    std::memcpy(tensor->nb, layout.nb, sizeof(tensor->nb));
    if (data_size > 0) {
        tensor->data = static_cast<char *>(memory) + tensor_size;
    }
    return tensor;
}

ggml_tensor * first_tensor_from(Object * object) {
    while (object && object->kind != ObjectKind::Tensor) {
        object = object->next;
    }
    return object ? static_cast<ggml_tensor *>(payload(object)) : nullptr;
}

} // namespace

namespace ggml_sched::core {

size_t object_footprint(size_t size) {
    const size_t greatest = SIZE_MAX - sizeof(Object) - GGML_MEM_ALIGN;
    return size > greatest ? SIZE_MAX : sizeof(Object) + aligned(size);
}

ggml_tensor * new_tensor(ggml_context * ctx, const Layout & layout) {
    size_t data_size = 0;
    if (!ctx->no_alloc && !byte_extent(layout, data_size)) {
        return nullptr;
    }
    return new_tensor_object(ctx, layout, data_size);
}

ggml_tensor * new_tensor_without_data(ggml_context * ctx, const Layout & layout) {
    return new_tensor_object(ctx, layout, 0);
}

ggml_tensor * new_view(const char * builder, ggml_context * ctx, const Layout & layout, ggml_tensor * src,
                       size_t offset) {
    ggml_tensor * root = src->view_src ? src->view_src : src;
    const size_t available = ggml_nbytes(root);
    size_t extent = 0;
    size_t begin = 0;
    size_t end = 0;
    // A view without elements may be anywhere, as in ggml.
    if (!byte_extent(layout, extent) || !checked_add(src->view_offs, offset, begin) ||
        !checked_add(begin, extent, end) || (end > available && extent > 0)) {
        GGML_LOG_ERROR("%s: a view at offset %zu leaves the %zu bytes of '%s'; reduce its size, strides or offset\n",
                       builder, offset, available, ggml_get_name(root));
        return nullptr;
    }
    ggml_tensor * view = new_tensor_object(ctx, layout, 0);
    if (!view) {
        return nullptr;
    }
    view->view_src = root;
    view->view_offs = begin;
    if (root->data) {
        view->data = static_cast<char *>(root->data) + begin;
    }
    return view;
}

void * new_graph_memory(ggml_context * ctx, size_t size) {
    void * memory = new_object(ctx, ObjectKind::Graph, size);
    return memory ? std::memset(memory, 0, size) : nullptr;
}

} // namespace ggml_sched::core

extern "C" {

struct ggml_context * ggml_init(struct ggml_init_params params) {
    size_t mem_size = params.mem_size;
    const bool owns_memory = params.mem_buffer == nullptr;
    char * memory = static_cast<char *>(params.mem_buffer);
    if (owns_memory && mem_size <= PTRDIFF_MAX - GGML_MEM_ALIGN) {
        mem_size = aligned(mem_size > 0 ? mem_size : 1);
        memory = static_cast<char *>(::operator new (mem_size, std::align_val_t{GGML_MEM_ALIGN}, std::nothrow));
    }
    auto * ctx = memory ? new (std::nothrow) ggml_context{} : nullptr;
    if (!ctx) {
        GGML_LOG_ERROR("ggml_init: no memory for a context of %zu bytes; reduce mem_size\n", mem_size);
        if (owns_memory && memory) {
            ::operator delete (memory, std::align_val_t{GGML_MEM_ALIGN});
        }
        return nullptr;
    }
    const size_t misaligned = reinterpret_cast<uintptr_t>(memory) % GGML_MEM_ALIGN;
    const size_t skipped = misaligned ? GGML_MEM_ALIGN - misaligned : 0;
    ctx->memory = memory;
    ctx->mem_size = mem_size;
    ctx->begin = skipped < mem_size ? skipped : mem_size;
    ctx->used = ctx->begin;
    ctx->owns_memory = owns_memory;
    ctx->no_alloc = params.no_alloc;
    return ctx;
}

void ggml_reset(struct ggml_context * ctx) {
    if (ctx) {
        ctx->used = ctx->begin;
        ctx->first = nullptr;
        ctx->last = nullptr;
    }
}

void ggml_free(struct ggml_context * ctx) {
    if (!ctx) {
        return;
    }
    if (ctx->owns_memory) {
        ::operator delete (ctx->memory, std::align_val_t{GGML_MEM_ALIGN});
    }
    delete ctx;
}

size_t ggml_used_mem(const struct ggml_context * ctx) {
    return ctx ? ctx->used : 0;
}

bool ggml_get_no_alloc(struct ggml_context * ctx) {
    return ctx && ctx->no_alloc;
}

void ggml_set_no_alloc(struct ggml_context * ctx, bool no_alloc) {
    if (ctx) {
        ctx->no_alloc = no_alloc;
    }
}

void * ggml_get_mem_buffer(const struct ggml_context * ctx) {
    return ctx ? ctx->memory : nullptr;
}

size_t ggml_get_mem_size(const struct ggml_context * ctx) {
    return ctx ? ctx->mem_size : 0;
}

size_t ggml_get_max_tensor_size(const struct ggml_context * ctx) {
    size_t greatest = 0;
    for (auto * tensor = ggml_get_first_tensor(ctx); tensor; tensor = ggml_get_next_tensor(ctx, tensor)) {
        const size_t size = ggml_nbytes(tensor);
        greatest = size > greatest ? size : greatest;
    }
    return greatest;
}

size_t ggml_tensor_overhead(void) {
    return object_footprint(tensor_size);
}

struct ggml_tensor * ggml_get_first_tensor(const struct ggml_context * ctx) {
    return ctx ? first_tensor_from(ctx->first) : nullptr;
}

struct ggml_tensor * ggml_get_next_tensor(const struct ggml_context * ctx, struct ggml_tensor * tensor) {
    (void) ctx;
    return tensor ? first_tensor_from((reinterpret_cast<Object *>(tensor) - 1)->next) : nullptr;
}

struct ggml_tensor * ggml_get_tensor(struct ggml_context * ctx, const char * name) {
    if (!name) {
        return nullptr;
    }
    auto * tensor = ggml_get_first_tensor(ctx);
    while (tensor && std::strcmp(tensor->name, name) != 0) {
        tensor = ggml_get_next_tensor(ctx, tensor);
    }
    return tensor;
}

} // extern "C"
