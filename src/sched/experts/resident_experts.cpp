#include "experts/resident_experts.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/execute.h"
#include "host/log.h"
#include "host/operations.h"
#include "host/tuning.h"

namespace ggml_sched {

namespace {

// Returns the bytes that a tensor needs in memory of this type, alignment included.
size_t room_for(const ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
    const size_t alignment = std::max<size_t>(ggml_backend_buft_get_alignment(buft), 1);
    return (ggml_backend_buft_get_alloc_size(buft, tensor) + alignment - 1) / alignment * alignment;
}

// Makes a tensor without memory that has the layout and the name of another.
std::unique_ptr<ggml_tensor> tensor_like(const ggml_tensor * other) {
    auto tensor = std::make_unique<ggml_tensor>();
    tensor->type = other->type;
    std::copy_n(other->ne, GGML_MAX_DIMS, tensor->ne);
    std::copy_n(other->nb, GGML_MAX_DIMS, tensor->nb);
    std::copy_n(other->name, GGML_MAX_NAME, tensor->name);
    return tensor;
}

bool have_same_shape_and_strides(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne) &&
           std::equal(a->nb, a->nb + GGML_MAX_DIMS, b->nb);
}

} // namespace

ResidentExperts::ResidentExperts(const std::vector<host::Backend> & backends, size_t budget)
    : backends_(backends)
    , budget_(budget)
    , left_(backends.size(), budget) {}

void ResidentExperts::set(size_t budget) {
    exchange_.clear();
    while (!blocks_.empty()) {
        free_last();
    }
    hosts_.clear();
    decided_.clear();
    budget_ = budget;
    left_.assign(backends_.size(), budget);
    is_full_ = false;
}

void ResidentExperts::free_last() {
    for (const Copy & copy : blocks_.back()) {
        by_address_.erase(copy.data);
    }
    blocks_.pop_back();
}

void ResidentExperts::give_back() {
    if (!std::exchange(is_full_, true)) {
        host::log_warning("device memory is needed for something else, so fewer experts are resident");
    }
    exchange_.clear();
    if (!blocks_.empty()) {
        free_last();
    }
}

// Returns the copy of a tensor; NULL if it has none.
ggml_tensor * ResidentExperts::find(const ggml_tensor * tensor) const {
    if (!tensor->buffer || tensor->view_src ||
        std::find(hosts_.begin(), hosts_.end(), tensor->buffer) == hosts_.end()) {
        return nullptr;
    }
    const auto copy = by_address_.find(tensor->data);
    return copy != by_address_.end() && have_same_shape_and_strides(copy->second, tensor) ? copy->second : nullptr;
}

void ResidentExperts::take(const ggml_cgraph * graph) {
    exchange_.clear();
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size && !blocks_.empty(); i++) {
        if (host::is_view_op(nodes[i])) {
            continue; // It shows the tensor in host memory.
        }
        for (ggml_tensor *& operand : nodes[i]->src) {
            if (ggml_tensor * const copy = operand ? find(operand) : nullptr) {
                exchange_.add(&operand, copy);
            }
        }
    }
    exchange_.exchange();
}

bool ResidentExperts::are_new(const ggml_cgraph * graph) const {
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size && !is_full_; i++) {
        const ggml_tensor * const matrices = matrices_in_host_memory(nodes[i]);
        if (matrices && !find(matrices) && decided_.find(matrices->data) == decided_.end()) {
            return true;
        }
    }
    return false;
}

std::string ResidentExperts::add(const ggml_cgraph * graph) {
    std::string listing;
    const size_t before = blocks_.size();
    for (const ExpertBlock & block : find_expert_blocks(graph, backends_)) {
        BackendId backend = kNoBackend;
        const Obstacle obstacle = place(block, backend);
        listing += std::string("## EXPERTS: '") + block.operands.front().tensor->name + "' and what belongs to it ";
        if (obstacle.text) {
            listing += std::string("stay in host memory: ") + (obstacle.tensor ? obstacle.tensor->name : "") +
                       (obstacle.tensor ? " " : "") + obstacle.text + "\n";
            continue;
        }
        listing += "are resident" + (backend == kNoBackend ? "" : " on " + backends_[backend].name) + "\n";
    }
    if (blocks_.size() > before) {
        host::log_info("experts of " + std::to_string(blocks_.size()) +
                       " layers are resident in device memory: " + std::to_string(bytes() / Tuning::kMiB) + " MiB");
    }
    return listing;
}

// Makes a block resident on a device, or returns why it stays in host memory.
ResidentExperts::Obstacle ResidentExperts::place(const ExpertBlock & block, BackendId & backend) {
    const std::vector<const ggml_tensor *> tensors = missing(block);
    if (tensors.empty()) {
        return {};
    }
    for (const ggml_tensor * tensor : tensors) {
        decided_.insert(tensor->data);
    }
    if (block.table) {
        return {"holds integers, as a cache of experts of the engine does", block.table};
    }
    const auto n_devices = static_cast<BackendId>(backends_.size() - 1);
    const BackendId first = block.layer == kNoBackend ? BackendId{0} : block.layer;
    Obstacle obstacle = {"the scheduler has no device"};
    for (BackendId i = 0; i < n_devices; i++) { // the device of the layer, then the others in order
        const BackendId b = i == 0 ? first : static_cast<BackendId>(i <= first ? i - 1 : i);
        const Obstacle here = obstacle_on(b, block);
        if (!here.text) {
            backend = b;
            return load(tensors, b);
        }
        obstacle = i == 0 ? here : obstacle;
    }
    return obstacle;
}

// Returns the different tensors of a block that have no copy.
std::vector<const ggml_tensor *> ResidentExperts::missing(const ExpertBlock & block) const {
    std::vector<const ggml_tensor *> tensors;
    for (const ExpertOperand & operand : block.operands) {
        if (!find(operand.tensor) && std::find(tensors.begin(), tensors.end(), operand.tensor) == tensors.end()) {
            tensors.push_back(operand.tensor);
        }
    }
    return tensors;
}

// Returns why a device cannot compute the block with copies.
ResidentExperts::Obstacle ResidentExperts::obstacle_on(BackendId backend, const ExpertBlock & block) const {
    const host::Backend & device = backends_[backend];
    const auto uses = [&](const ggml_tensor * tensor) {
        return ggml_backend_supports_buft(device.handle, host::buft_of(host::buffer_of(tensor)));
    };
    if (ggml_backend_buft_is_host(device.buft)) {
        return {"the device computes in host memory"};
    }
    for (const ggml_tensor * other : block.others) {
        if (!uses(other)) {
            return {"is a view, is repacked, or lies on another device", other};
        }
    }
    for (const ExpertOperand & operand : block.operands) {
        const ggml_tensor * const copy = find(operand.tensor);
        if (copy && !uses(copy)) {
            return {"is resident on another device", operand.tensor};
        }
        if (!copy && uses(operand.tensor)) {
            return {"can be used by the device where it is", operand.tensor};
        }
        if (!ggml_backend_supports_op(device.handle, operand.node)) {
            return {"cannot be computed by the device", operand.node};
        }
    }
    return {};
}

// Returns the bytes that may still be used on a device.
size_t ResidentExperts::left_on(BackendId backend) {
    if (left_[backend] == kAuto) {
        const size_t free = host::free_memory(backends_[backend]);
        left_[backend] = free - std::min(free, Tuning::kExpertsMargin);
    }
    return left_[backend];
}

// Copies tensors to a device, if there is room for them. Returns what is in the way.
ResidentExperts::Obstacle ResidentExperts::load(const std::vector<const ggml_tensor *> & tensors, BackendId backend) {
    const ggml_backend_buffer_type_t buft = backends_[backend].buft;
    size_t bytes = 0;
    for (const ggml_tensor * tensor : tensors) {
        bytes += room_for(tensor, buft);
        if (room_for(tensor, buft) > ggml_backend_buft_get_max_size(buft)) {
            return {"is too large for a buffer of the device", tensor};
        }
    }
    if (bytes > left_on(backend)) {
        return {"the budget has no room for them"};
    }
    Block block(tensors.size());
    bool is_filled = true;
    for (size_t i = 0; i < tensors.size() && is_filled; i++) {
        is_filled = fill(block[i], tensors[i], buft);
    }
    left_[backend] = is_filled ? left_[backend] - bytes : 0;
    if (is_filled) {
        keep(std::move(block));
    }
    return {is_filled ? nullptr : "the device has refused memory"};
}

// Makes the copy of a tensor. Returns false if the device refuses memory.
bool ResidentExperts::fill(Copy & copy, const ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
    copy.data = tensor->data;
    copy.host = tensor->buffer;
    copy.bytes = room_for(tensor, buft);
    copy.tensor = tensor_like(tensor);
    copy.buffer.reset(ggml_backend_buft_alloc_buffer(buft, copy.bytes));
    if (!copy.buffer) {
        return false;
    }
    ggml_backend_buffer_set_usage(copy.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    void * const base = ggml_backend_buffer_get_base(copy.buffer.get());
    if (host::place(copy.tensor.get(), copy.buffer.get(), base) != GGML_STATUS_SUCCESS) {
        return false;
    }
    host::set_blocking(copy.tensor.get(), copy.data, 0, ggml_nbytes(copy.tensor.get()));
    return true;
}

// If host memory runs out, the block is kept all the same, and some of its tensors are not found.
void ResidentExperts::keep(Block block) {
    blocks_.push_back(std::move(block));
    for (const Copy & copy : blocks_.back()) {
        if (std::find(hosts_.begin(), hosts_.end(), copy.host) == hosts_.end()) {
            hosts_.push_back(copy.host);
        }
        by_address_[copy.data] = copy.tensor.get();
    }
}

size_t ResidentExperts::bytes() const {
    size_t bytes = 0;
    for (const Block & block : blocks_) {
        for (const Copy & copy : block) {
            bytes += copy.bytes;
        }
    }
    return bytes;
}

const ggml_tensor * ResidentExperts::find_changed() {
    const auto & all = exchange_.all();
    if (all.empty()) {
        return nullptr;
    }
    const OperandExchange::Exchange & one = all[n_checked_++ % all.size()];
    std::vector<char> bytes(ggml_nbytes(one.other));
    host::get_blocking(one.other, bytes.data());
    return std::memcmp(bytes.data(), one.original->data, bytes.size()) == 0 ? nullptr : one.other;
}

} // namespace ggml_sched
