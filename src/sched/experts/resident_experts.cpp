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

void ResidentExperts::add(const ggml_cgraph * graph) {
    const size_t before = blocks_.size();
    for (const ExpertBlock & block : is_full_ ? std::vector<ExpertBlock>() : find_expert_blocks(graph, backends_)) {
        const std::vector<const ggml_tensor *> tensors = missing(block);
        const BackendId backend = tensors.empty() || block.has_table ? kNoBackend : device_of(block);
        if (backend != kNoBackend && !load(tensors, backend)) {
            left_[backend] = 0; // The device has refused memory.
        }
    }
    if (blocks_.size() > before) {
        host::log_info("experts of " + std::to_string(blocks_.size()) +
                       " layers are resident in device memory: " + std::to_string(bytes() / Tuning::kMiB) + " MiB");
    }
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

// Returns the device of the block's layer if it can compute the block; else the first device that can; kNoBackend if
// there is none.
BackendId ResidentExperts::device_of(const ExpertBlock & block) const {
    if (block.layer != kNoBackend && can_compute(block.layer, block)) {
        return block.layer;
    }
    for (BackendId b = 0; b + 1 < static_cast<BackendId>(backends_.size()); b++) {
        if (can_compute(b, block)) {
            return b;
        }
    }
    return kNoBackend;
}

// True if the device can compute the block, needs copies for that, and can use all weights that are no originals.
bool ResidentExperts::can_compute(BackendId backend, const ExpertBlock & block) const {
    const host::Backend & device = backends_[backend];
    const auto uses = [&](ggml_backend_buffer_t buffer) {
        return ggml_backend_supports_buft(device.handle, host::buft_of(buffer));
    };
    return !ggml_backend_buft_is_host(device.buft) && std::all_of(block.others.begin(), block.others.end(), uses) &&
           std::all_of(block.operands.begin(), block.operands.end(), [&](const ExpertOperand & operand) {
               const ggml_tensor * const copy = find(operand.tensor);
               return (copy ? uses(copy->buffer) : !uses(operand.tensor->buffer)) &&
                      ggml_backend_supports_op(device.handle, operand.node);
           });
}

// Returns the bytes that may still be used on a device.
size_t ResidentExperts::left_on(BackendId backend) {
    if (left_[backend] == kAuto) {
        const size_t free = host::free_memory(backends_[backend]);
        left_[backend] = free - std::min(free, Tuning::kExpertsMargin);
    }
    return left_[backend];
}

// Copies tensors to a device, unless the budget or the type of its buffers has no room for them. Returns false if the
// device refuses memory.
bool ResidentExperts::load(const std::vector<const ggml_tensor *> & tensors, BackendId backend) {
    const ggml_backend_buffer_type_t buft = backends_[backend].buft;
    Block block;
    size_t bytes = 0;
    for (const ggml_tensor * tensor : tensors) {
        block.push_back({tensor->data, tensor->buffer, room_for(tensor, buft), tensor_like(tensor), nullptr});
        bytes += block.back().bytes;
        if (block.back().bytes > ggml_backend_buft_get_max_size(buft)) {
            return true;
        }
    }
    if (bytes > left_on(backend)) {
        return true;
    }
    for (Copy & copy : block) {
        copy.buffer.reset(ggml_backend_buft_alloc_buffer(buft, copy.bytes));
        if (!copy.buffer || !fill(copy)) {
            return false;
        }
    }
    left_[backend] -= bytes;
    keep(std::move(block));
    return true;
}

// Copies the bytes of a tensor. Returns false if its buffer refuses the tensor.
bool ResidentExperts::fill(Copy & copy) {
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
