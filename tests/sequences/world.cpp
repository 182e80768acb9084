#include "world.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "graph_builder.h"

namespace sequences {

namespace {

constexpr int kFreed = 0xDD; // fills the memory of descriptions that have been freed

size_t slot_bytes() {
    return kMaxTensors * ggml_tensor_overhead() + 2 * ggml_graph_overhead_custom(2 * kMaxTensors, false) + 1024;
}

// Each row has one element that is not zero: 1 or -1.
Values signed_permutation(uint64_t seed) {
    Values values(kWidth * kWidth, 0.0F);
    for (uint64_t i = 0; i < kWidth; i++) {
        values[i * kWidth + (i + seed) % kWidth] = (i * seed) % 3 == 1 ? -1.0F : 1.0F;
    }
    return values;
}

} // namespace

Values read(const ggml_tensor * tensor) {
    if (tensor->type == GGML_TYPE_I32) {
        std::vector<int32_t> ids(static_cast<size_t>(ggml_nelements(tensor)));
        ggml_backend_tensor_get(tensor, ids.data(), 0, ids.size() * sizeof(int32_t));
        return {ids.begin(), ids.end()};
    }
    Values values(static_cast<size_t>(ggml_nelements(tensor)));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    return values;
}

World::World(const Setup & setup, bool verify)
    : model(setup)
    , setup_(setup)
    , verify_(verify)
    , platform_(Platform::make(setup)) {
    model.backends = backends();
    make_persistent(setup);
    for (Slot & slot : slots_) {
        slot.memory.assign(slot_bytes(), static_cast<char>(kFreed));
    }
    const int n_scheds = std::max(1, std::min(setup.n_scheds, kMaxScheds));
    scheds_.assign(static_cast<size_t>(n_scheds), nullptr);
    buffer_sizes_.resize(scheds_.size());
    model.scheds.resize(scheds_.size());
    for (int s = 0; s < n_scheds; s++) {
        renew(s);
    }
}

World::~World() {
    for (ggml_backend_sched_t sched : scheds_) {
        ggml_backend_sched_synchronize(sched);
    }
    std::for_each(scheds_.begin(), scheds_.end(), ggml_backend_sched_free);
    for (int slot = 0; slot < kSlots; slot++) {
        free_graph(slot);
    }
    std::for_each(buffers_.begin(), buffers_.end(), ggml_backend_buffer_free);
    ggml_free(persistent_);
}

void World::renew(int s) {
    ggml_backend_sched_t & sched = scheds_[static_cast<size_t>(s)];
    ggml_backend_sched_free(sched);
    std::vector<ggml_backend_t> handles = backends();
    sched = ggml_backend_sched_new(handles.data(), nullptr, static_cast<int>(handles.size()), GGML_DEFAULT_GRAPH_SIZE,
                                   setup_.parallel, setup_.op_offload);
    ggml_sched_set_verify(sched, verify_);
    model.did_renew(s);
    buffer_sizes_[static_cast<size_t>(s)] = buffer_sizes(s);
}

void World::make_persistent(const Setup & setup) {
    persistent_ = ggml_init({16 * ggml_tensor_overhead(), nullptr, true});
    for (int i = 0; i < kWeights; i++) {
        const int place = setup.weights[static_cast<size_t>(i)];
        const auto seed = static_cast<uint64_t>(i) + 1;
        model.tensors.weights.push_back(add_persistent("weight", kWidth, place, true, signed_permutation(seed)));
    }
    for (int i = 0; i < kCaches; i++) {
        const int place = setup.caches[static_cast<size_t>(i)];
        const auto seed = static_cast<uint64_t>(i) + 1;
        model.tensors.caches.push_back(
            add_persistent("cache", kRows * kCacheParts, place, false, random_values(kSize * kCacheParts, seed)));
    }
}

int World::add_persistent(const char * name, int64_t n_rows, int place, bool is_weight, Values values) {
    Tensor tensor;
    tensor.real = ggml_new_tensor_2d(persistent_, GGML_TYPE_F32, kWidth, n_rows);
    ggml_backend_buffer_t buffer = put(tensor.real, place);
    buffers_.push_back(buffer);
    if (is_weight) {
        ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    ggml_backend_tensor_set(tensor.real, values.data(), 0, values.size() * sizeof(float));
    tensor.home = Home::Caller;
    tensor.is_known = true;
    tensor.values = std::move(values);
    const int id = model.tensors.add(tensor);
    model.tensors[id].root = id;
    ggml_format_name(tensor.real, "%s%d", name, id);
    return id;
}

// Devices without room leave it to the CPU.
ggml_backend_buffer_t World::put(ggml_tensor * tensor, int place) {
    ggml_backend_t backend = backends()[static_cast<size_t>(place) % backends().size()];
    ggml_backend_buffer_t buffer = nullptr;
    for (ggml_backend_t each : {backend, backends().back()}) {
        if (!buffer) {
            ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(each);
            buffer = ggml_backend_buft_alloc_buffer(buft, ggml_backend_buft_get_alloc_size(buft, tensor));
        }
    }
    ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer));
    return buffer;
}

void World::free_graph(int slot) {
    Slot & memory = slots_[static_cast<size_t>(slot)];
    model.free_graph(slot);
    std::for_each(memory.buffers.begin(), memory.buffers.end(), ggml_backend_buffer_free);
    memory.buffers.clear();
    ggml_free(memory.context);
    memory.context = nullptr;
    std::memset(memory.memory.data(), kFreed, memory.memory.size());
}

void World::build(int slot, const GraphSpec & spec, uint64_t seed) {
    free_graph(slot);
    Slot & memory = slots_[static_cast<size_t>(slot)];
    memory.context = ggml_init({memory.memory.size(), memory.memory.data(), true});
    const int generation = model.graphs[static_cast<size_t>(slot)].generation;
    std::map<int, int> places;
    const std::vector<Graph> graphs(model.graphs.begin(), model.graphs.end());
    Graph graph = GraphBuilder(model.tensors, graphs, slot, memory.context).build(spec, places);
    graph.generation = generation + 1;
    model.graphs[static_cast<size_t>(slot)] = std::move(graph);
    for (const auto & [id, place] : places) {
        memory.buffers.push_back(put(model.tensors[id].real, place));
        model.tensors[id].home = Home::Caller;
        model.tensors[id].is_writable = true;
        write(id, seed++);
    }
}

void World::write(int id, uint64_t seed, bool is_bad) {
    Tensor & tensor = model.tensors[id];
    tensor.is_known = true;
    if (tensor.is_ids) {
        tensor.values = random_ids(seed, is_bad);
        const std::vector<int32_t> ids(tensor.values.begin(), tensor.values.end());
        ggml_backend_tensor_set(tensor.real, ids.data(), 0, ids.size() * sizeof(int32_t));
        return;
    }
    tensor.values = random_values(static_cast<size_t>(ggml_nelements(tensor.real)), seed);
    ggml_backend_tensor_set(tensor.real, tensor.values.data(), 0, tensor.values.size() * sizeof(float));
}

std::string World::compare(int id) const {
    const Tensor & tensor = model.tensors[id];
    if (!model.tensors.root_of(id).is_known || !model.is_live(tensor.root)) {
        return "";
    }
    if (!tensor.real->buffer) {
        return std::string("'") + tensor.real->name + "' has no memory, but it should";
    }
    const Values got = read(tensor.real);
    const Values expected = contents_of(model.tensors, id);
    const auto differs = std::mismatch(got.begin(), got.end(), expected.begin());
    return differs.first == got.end()
               ? ""
               : std::string("'") + tensor.real->name + "' holds " + std::to_string(*differs.first) + " at " +
                     std::to_string(differs.first - got.begin()) + ", expected is " + std::to_string(*differs.second);
}

std::string World::check_descriptions() const {
    for (int id = 0; id < model.tensors.size(); id++) {
        const Tensor & tensor = model.tensors[id];
        if (!tensor.is_alive || tensor.slot < 0) {
            continue;
        }
        for (size_t i = 0; i < tensor.src.size(); i++) {
            if (tensor.real->src[i] != model.tensors[tensor.src[i]].real) {
                return std::string("operand ") + std::to_string(i) + " of '" + tensor.real->name +
                       "' is not the caller's";
            }
        }
        const bool should_be_empty = tensor.root == id && tensor.home == Home::None;
        if (should_be_empty && (tensor.real->buffer || tensor.real->data)) {
            return std::string("'") + tensor.real->name + "' has memory, but should have none";
        }
    }
    return "";
}

std::vector<size_t> World::buffer_sizes(int s) const {
    std::vector<size_t> sizes;
    for (ggml_backend_t backend : backends()) {
        sizes.push_back(ggml_backend_sched_get_buffer_size(sched(s), backend));
    }
    return sizes;
}

void World::note_buffers() {
    for (size_t s = 0; s < scheds_.size(); s++) {
        std::vector<size_t> now = buffer_sizes(static_cast<int>(s));
        if (now != buffer_sizes_[s]) {
            buffer_sizes_[s] = std::move(now);
            model.scheds[s].epoch++;
        }
    }
}

bool World::has_device_without_events() const {
    return std::any_of(backends().begin(), backends().end(), [](ggml_backend_t backend) {
        ggml_backend_dev_props props;
        ggml_backend_dev_get_props(ggml_backend_get_device(backend), &props);
        return props.caps.async && !props.caps.events;
    });
}

} // namespace sequences
