#include "proof.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "fields.h"
#include "foreign.h"

namespace ggml_sched::attach {

namespace {

constexpr size_t kWords = 40; // more than any struct of functions has
constexpr size_t kNone = ~size_t{0};

thread_local size_t called_word = kNone; // the word of the last recorder that was called

// A function that notes which word of an object it was called from. Its result is true, not NULL, and a large size.
template <size_t word> uintptr_t recorder() {
    called_word = word;
    return uintptr_t{1} << 40 | 1;
}

using Recorder = uintptr_t (*)();

template <size_t... words> std::array<Recorder, kWords> make_object(std::index_sequence<words...> /*words*/) {
    return {recorder<words>...};
}

// Returns the number of the operation, for which our enumeration may have no enumerator.
int op_of(const ggml_tensor * tensor) {
    return read_field<int>(tensor, offsetof(ggml_tensor, op));
}

// Proof - compares one layout with one ggml. `difference()` is the first that was found.
class Proof {
  public:
    Proof(const BoundGgml & ggml, const Layout & layout)
        : ggml_(ggml)
        , layout_(layout)
        , object_(make_object(std::make_index_sequence<kWords>())) {}

    std::string run() {
        struct Free {
            const BoundGgml & ggml;
            void operator()(ggml_context * context) const { GGML_SCHED_CALL(ggml, ggml_free)(context); }
        };
        const std::unique_ptr<ggml_context, Free> context(
            GGML_SCHED_CALL(ggml_, ggml_init)({size_t{1} << 18, nullptr, false}), Free{ggml_});
        if (!context) {
            return "ggml makes no context";
        }
        compare_tensors(context.get());
        if (difference_.empty()) { // What follows needs tensors.
            compare_graphs(context.get());
            tensor_ = GGML_SCHED_CALL(ggml_, ggml_new_tensor_1d)(context.get(), GGML_TYPE_F32, 4);
            compare_backends();
            compare_buffers();
            compare_bufts();
            compare_devices();
        }
        return difference_;
    }

  private:
    template <typename T> T * fake() { return reinterpret_cast<T *>(object_.data()); }

    void expect(bool is_equal, const char * field) {
        if (!is_equal && difference_.empty()) {
            difference_ = std::string(field) + " is elsewhere";
        }
    }

    // Expects that `call` calls the function at this offset of the fake object.
    template <typename Call> void expect_call(size_t offset, const char * field, Call call) {
        called_word = kNone;
        call();
        expect(called_word * sizeof(void *) == offset, field);
    }
    // Expects that a function of ggml has returned the word at this offset.
    void expect_word(size_t offset, const char * field, uintptr_t value) {
        expect(offset + sizeof(value) <= sizeof(object_) && read_field<uintptr_t>(object_.data(), offset) == value,
               field);
    }
    void expect_word(size_t offset, const char * field, const void * value) {
        expect_word(offset, field, reinterpret_cast<uintptr_t>(value));
    }

    void compare_tensors(ggml_context * context);
    void compare_graphs(ggml_context * context);
    void compare_graph(ggml_cgraph * graph, int size, ggml_tensor * first_leaf);
    void compare_backends();
    void compare_buffers();
    void compare_bufts();
    void compare_devices();

    const BoundGgml & ggml_;
    const Layout & layout_;
    std::array<Recorder, kWords> object_;
    ggml_tensor * tensor_ = nullptr;
    std::string difference_;
};

// The struct of a tensor is that of our header.
void Proof::compare_tensors(ggml_context * context) {
    ggml_tensor * a = GGML_SCHED_CALL(ggml_, ggml_new_tensor_2d)(context, GGML_TYPE_F16, 6, 5);
    expect(a->type == GGML_TYPE_F16, "ggml_tensor::type");
    expect(a->ne[0] == 6 && a->ne[1] == 5 && a->ne[2] == 1 && a->ne[3] == 1, "ggml_tensor::ne");
    expect(a->nb[0] == 2 && a->nb[1] == 12 && a->nb[2] == 60 && a->nb[3] == 60, "ggml_tensor::nb");
    expect(a->op == GGML_OP_NONE, "ggml_tensor::op");
    expect(a->data && a->data == GGML_SCHED_CALL(ggml_, ggml_get_data)(a), "ggml_tensor::data");
    expect(a->name == GGML_SCHED_CALL(ggml_, ggml_get_name)(a), "ggml_tensor::name");
    expect(!a->buffer && !a->view_src && !a->extra && !a->src[0] && !a->src[GGML_MAX_SRC - 1], "ggml_tensor::src");

    GGML_SCHED_CALL(ggml_, ggml_set_name)(a, "proof");
    expect(std::memcmp(a->name, "proof", sizeof("proof")) == 0, "ggml_tensor::name");
    GGML_SCHED_CALL(ggml_, ggml_set_input)(a);
    expect(a->flags == GGML_TENSOR_FLAG_INPUT, "ggml_tensor::flags");
    GGML_SCHED_CALL(ggml_, ggml_set_output)(a);
    expect(a->flags == (GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT), "ggml_tensor::flags");

    const ggml_tensor * view = GGML_SCHED_CALL(ggml_, ggml_view_2d)(context, a, 6, 2, 12, 24);
    expect(view->view_src == a && view->view_offs == 24 && view->src[0] == a, "ggml_tensor::view_src");
    expect(view->data == static_cast<const char *>(a->data) + 24, "ggml_tensor::view_offs");
    expect(op_of(view) == ggml_.ops.number[static_cast<size_t>(KnownOp::View)], "ggml_tensor::op");

    ggml_tensor * b = GGML_SCHED_CALL(ggml_, ggml_new_tensor_2d)(context, GGML_TYPE_F32, 6, 3);
    const ggml_tensor * product = GGML_SCHED_CALL(ggml_, ggml_mul_mat)(context, a, b);
    expect(op_of(product) == ggml_.ops.number[static_cast<size_t>(KnownOp::MulMat)], "ggml_tensor::op");
    expect(product->src[0] == a && product->src[1] == b && !product->src[2], "ggml_tensor::src");
    const ggml_tensor * scaled = GGML_SCHED_CALL(ggml_, ggml_scale)(context, b, 0.25F);
    float factor = 0;
    std::memcpy(&factor, scaled->op_params, sizeof(factor));
    expect(factor == 0.25F, "ggml_tensor::op_params");

    // Tensors of one context lie one behind the other, each behind a header of the same size.
    const size_t overhead = GGML_SCHED_CALL(ggml_, ggml_tensor_overhead)();
    expect(overhead > sizeof(ggml_tensor) && overhead - sizeof(ggml_tensor) == 4 * sizeof(void *),
           "the end of ggml_tensor");
}

void Proof::compare_graph(ggml_cgraph * graph, int size, ggml_tensor * first_leaf) {
    const GraphLayout & where = layout_.graph;
    const int n_nodes = GGML_SCHED_CALL(ggml_, ggml_graph_n_nodes)(graph);
    expect(read_field<int>(graph, where.size) == size && GGML_SCHED_CALL(ggml_, ggml_graph_size)(graph) == size,
           "ggml_cgraph::size");
    expect(read_field<int>(graph, where.n_nodes) == n_nodes, "ggml_cgraph::n_nodes");
    expect(read_field<int>(graph, where.n_leafs) == 1, "ggml_cgraph::n_leafs");
    ggml_tensor ** nodes = read_field<ggml_tensor **>(graph, where.nodes);
    expect(nodes == GGML_SCHED_CALL(ggml_, ggml_graph_nodes)(graph), "ggml_cgraph::nodes");
    // The arrays lie behind the struct, nodes first.
    expect(reinterpret_cast<char *>(nodes) == reinterpret_cast<char *>(graph) + where.bytes, "the end of ggml_cgraph");
    expect(where.uid == kAbsent
               ? where.order + sizeof(void *) == where.bytes
               : where.uid + sizeof(uint64_t) == where.bytes && read_field<uint64_t>(graph, where.uid) == 0,
           "ggml_cgraph::uid");
    if (!difference_.empty()) {
        return; // The addresses that come now might be none.
    }
    ggml_tensor ** leafs = read_field<ggml_tensor **>(graph, where.leafs);
    expect(leafs == nodes + size && leafs[0] == first_leaf, "ggml_cgraph::leafs");
    expect(read_field<void *>(graph, where.use_counts) == leafs + size, "ggml_cgraph::use_counts");
    expect(where.hash_set == where.use_counts + sizeof(void *), "ggml_cgraph::visited_hash_set");
    expect(where.order == where.hash_set + 3 * sizeof(void *), "ggml_cgraph::order");
}

// A graph with room for gradients and one without differ in the fields of gradients alone.
void Proof::compare_graphs(ggml_context * context) {
    const GraphLayout & where = layout_.graph;
    for (const bool has_grads : {false, true}) {
        constexpr int kSize = 24;
        ggml_tensor * leaf = GGML_SCHED_CALL(ggml_, ggml_new_tensor_1d)(context, GGML_TYPE_F32, 4);
        ggml_tensor * node = GGML_SCHED_CALL(ggml_, ggml_scale)(context, leaf, 2.0F);
        node = GGML_SCHED_CALL(ggml_, ggml_scale)(context, node, 2.0F);
        ggml_cgraph * graph = GGML_SCHED_CALL(ggml_, ggml_new_graph_custom)(context, kSize, has_grads);
        GGML_SCHED_CALL(ggml_, ggml_build_forward_expand)(graph, node);
        compare_graph(graph, kSize, leaf);
        expect((read_field<void *>(graph, where.grads) != nullptr) == has_grads, "ggml_cgraph::grads");
        expect((read_field<void *>(graph, where.grad_accs) != nullptr) == has_grads, "ggml_cgraph::grad_accs");
        expect(where.grad_accs == where.grads + sizeof(void *), "ggml_cgraph::grad_accs");
    }
}

void Proof::compare_backends() {
    const BackendLayout & where = layout_.backend;
    auto * backend = fake<ggml_backend>();
    auto * event = reinterpret_cast<ggml_backend_event *>(&object_);
    float data = 0;
    expect_call(where.get_name, "ggml_backend::get_name", [&] { GGML_SCHED_CALL(ggml_, ggml_backend_name)(backend); });
    expect_call(where.free, "ggml_backend::free", [&] { GGML_SCHED_CALL(ggml_, ggml_backend_free)(backend); });
    expect_call(where.set_async, "ggml_backend::set_tensor_async", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_set_async)(backend, tensor_, &data, 0, sizeof(data));
    });
    expect_call(where.get_async, "ggml_backend::get_tensor_async", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_get_async)(backend, tensor_, &data, 0, sizeof(data));
    });
    ggml_tensor other = *tensor_;
    expect_call(where.copy_async, "ggml_backend::cpy_tensor_async", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_copy_async)(backend, backend, tensor_, &other);
    });
    expect_call(where.synchronize, "ggml_backend::synchronize", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_synchronize)(backend);
    });
    expect_call(where.graph_compute, "ggml_backend::graph_compute", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_graph_compute_async)(backend, nullptr);
    });
    expect_call(where.event_record, "ggml_backend::event_record", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_event_record)(event, backend);
    });
    expect_call(where.event_wait, "ggml_backend::event_wait", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_event_wait)(backend, event);
    });
    expect_word(where.device, "ggml_backend::device", GGML_SCHED_CALL(ggml_, ggml_backend_get_device)(backend));
    // graph_optimize is the last function, and only ggml's scheduler calls it.
    expect(where.graph_optimize + sizeof(void *) == where.device, "ggml_backend::graph_optimize");
}

void Proof::compare_buffers() {
    const BufferLayout & where = layout_.buffer;
    auto * buffer = fake<ggml_backend_buffer>();
    ggml_tensor tensor = *tensor_;
    tensor.buffer = buffer;
    float data = 0;
    expect_call(where.get_base, "ggml_backend_buffer::get_base", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buffer_get_base)(buffer);
    });
    expect_call(where.init_tensor, "ggml_backend_buffer::init_tensor", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buffer_init_tensor)(buffer, &tensor);
    });
    expect_call(where.memset_tensor, "ggml_backend_buffer::memset_tensor", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_memset)(&tensor, 0, 0, sizeof(data));
    });
    expect_call(where.set_tensor, "ggml_backend_buffer::set_tensor", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_set)(&tensor, &data, 0, sizeof(data));
    });
    expect_call(where.get_tensor, "ggml_backend_buffer::get_tensor", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_tensor_get)(&tensor, &data, 0, sizeof(data));
    });
    if (ggml_.functions[F_ggml_backend_buffer_copy_tensor]) {
        expect_call(where.cpy_tensor, "ggml_backend_buffer::cpy_tensor", [&] {
            GGML_SCHED_CALL(ggml_, ggml_backend_buffer_copy_tensor)(tensor_, &tensor);
        });
    }
    expect_call(where.clear, "ggml_backend_buffer::clear", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buffer_clear)(buffer, 0);
    });
    expect_call(where.reset, "ggml_backend_buffer::reset", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buffer_reset)(buffer);
    });
    expect_word(where.buft, "ggml_backend_buffer::buft", GGML_SCHED_CALL(ggml_, ggml_backend_buffer_get_type)(buffer));
    expect_word(where.size, "ggml_backend_buffer::size", GGML_SCHED_CALL(ggml_, ggml_backend_buffer_get_size)(buffer));
    const auto usage = static_cast<int>(GGML_SCHED_CALL(ggml_, ggml_backend_buffer_get_usage)(buffer));
    expect(where.usage + sizeof(usage) <= sizeof(object_) && read_field<int>(object_.data(), where.usage) == usage,
           "ggml_backend_buffer::usage");
    // No function tells these: the first function, the one before clear, and what lies between type and size.
    expect(where.free_buffer == 0, "ggml_backend_buffer::free_buffer");
    expect(where.cpy_tensor + sizeof(void *) == where.clear, "ggml_backend_buffer::cpy_tensor");
    expect(where.buft + sizeof(void *) == where.context && where.context + sizeof(void *) == where.size,
           "ggml_backend_buffer::context");
}

void Proof::compare_bufts() {
    const BuftLayout & where = layout_.buft;
    auto * buft = fake<ggml_backend_buffer_type>();
    expect_call(where.get_name, "ggml_backend_buffer_type::get_name", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_name)(buft);
    });
    expect_call(where.alloc_buffer, "ggml_backend_buffer_type::alloc_buffer", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_alloc_buffer)(buft, 64);
    });
    expect_call(where.get_alignment, "ggml_backend_buffer_type::get_alignment", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_get_alignment)(buft);
    });
    expect_call(where.get_max_size, "ggml_backend_buffer_type::get_max_size", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_get_max_size)(buft);
    });
    expect_call(where.get_alloc_size, "ggml_backend_buffer_type::get_alloc_size", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_get_alloc_size)(buft, tensor_);
    });
    expect_call(where.is_host, "ggml_backend_buffer_type::is_host", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_buft_is_host)(buft);
    });
    expect_word(where.device, "ggml_backend_buffer_type::device",
                GGML_SCHED_CALL(ggml_, ggml_backend_buft_get_device)(buft));
}

void Proof::compare_devices() {
    const DeviceLayout & where = layout_.device;
    auto * device = fake<ggml_backend_device>();
    ggml_backend_dev_props props[2] = {}; // ggml's may be larger than ours
    expect_call(where.get_props, "ggml_backend_device::get_props", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_dev_get_props)(device, props);
    });
    expect_call(where.init_backend, "ggml_backend_device::init_backend", [&] {
        GGML_SCHED_CALL(ggml_, ggml_backend_dev_init)(device, nullptr);
    });
}

} // namespace

std::string disprove(const BoundGgml & ggml, const Layout & layout) {
    return Proof(ggml, layout).run();
}

} // namespace ggml_sched::attach
