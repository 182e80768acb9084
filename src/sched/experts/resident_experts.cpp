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

// Returns the different tensors of a block.
std::vector<ggml_tensor *> tensors_of(const ExpertBlock & block) {
    std::vector<ggml_tensor *> tensors;
    for (const ExpertOperand & operand : block.operands) {
        if (std::find(tensors.begin(), tensors.end(), operand.tensor()) == tensors.end()) {
            tensors.push_back(operand.tensor());
        }
    }
    return tensors;
}

// Returns the bytes that a tensor needs in memory of this type, alignment included.
size_t room_for(const ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
    const size_t alignment = std::max<size_t>(ggml_backend_buft_get_alignment(buft), 1);
    return (ggml_backend_buft_get_alloc_size(buft, tensor) + alignment - 1) / alignment * alignment;
}

size_t room_for(const std::vector<ggml_tensor *> & tensors, ggml_backend_buffer_type_t buft) {
    size_t bytes = 0;
    for (const ggml_tensor * tensor : tensors) {
        bytes += room_for(tensor, buft);
    }
    return bytes;
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
    budget_ = budget;
    left_.assign(backends_.size(), budget);
    is_full_ = false;
}

void ResidentExperts::free_last() {
    for (const Copy & copy : blocks_.back().copies) {
        by_address_.erase(copy.data);
    }
    bytes_ -= blocks_.back().bytes;
    blocks_.pop_back();
    hosts_.clear();
    for (const Block & block : blocks_) {
        for (const Copy & copy : block.copies) {
            hosts_.push_back(copy.host);
        }
    }
}

bool ResidentExperts::give_back() {
    if (blocks_.empty()) {
        return false;
    }
    if (!std::exchange(is_full_, true)) {
        host::log_warning("device memory is needed for something else, so fewer experts are resident");
    }
    exchange_.clear();
    free_last();
    return true;
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
    for (const ExpertBlock & block : is_full_ ? std::vector<ExpertBlock>() : find_expert_blocks(graph)) {
        const std::vector<ggml_tensor *> tensors = tensors_of(block);
        const BackendId backend = device_of(block);
        const bool is_new = std::none_of(tensors.begin(), tensors.end(), [&](const auto * each) { return find(each); });
        if (backend == kNoBackend || !is_new || room_for(tensors, backends_[backend].buft) > left_on(backend)) {
            continue;
        }
        Block loaded = load(tensors, backend);
        left_[backend] = loaded.buffer ? left_[backend] - loaded.bytes : 0;
        if (loaded.buffer) {
            keep(std::move(loaded));
        }
    }
    if (blocks_.size() > before) {
        host::log_info("experts of " + std::to_string(blocks_.size()) +
                       " layers are resident in device memory: " + std::to_string(bytes_ / Tuning::kMiB) + " MiB");
    }
}

// Returns the device of the block's layer, if it can compute the block and cannot use host memory as it is; else the
// first device for which that holds; kNoBackend if there is none.
BackendId ResidentExperts::device_of(const ExpertBlock & block) const {
    const auto n_devices = static_cast<BackendId>(backends_.size() - 1);
    BackendId first = kNoBackend;
    for (BackendId b = 0; b < n_devices; b++) {
        if (!can_compute(b, block)) {
            continue;
        }
        if (!block.layer || ggml_backend_supports_buft(backends_[b].handle, host::buft_of(block.layer))) {
            return b;
        }
        first = first == kNoBackend ? b : first;
    }
    return first;
}

bool ResidentExperts::can_compute(BackendId backend, const ExpertBlock & block) const {
    const host::Backend & device = backends_[backend];
    return !ggml_backend_buft_is_host(device.buft) &&
           std::all_of(block.operands.begin(), block.operands.end(), [&](const ExpertOperand & operand) {
               return !ggml_backend_supports_buft(device.handle, host::buft_of(operand.tensor()->buffer)) &&
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

// Copies the tensors of a block to a device. The block has no buffer if the device refuses memory.
ResidentExperts::Block ResidentExperts::load(const std::vector<ggml_tensor *> & tensors, BackendId backend) const {
    const ggml_backend_buffer_type_t buft = backends_[backend].buft;
    Block block;
    block.bytes = room_for(tensors, buft);
    block.copies.reserve(tensors.size());
    for (const ggml_tensor * tensor : tensors) {
        block.copies.push_back({tensor->data, tensor->buffer, tensor_like(tensor)});
    }
    if (block.bytes > ggml_backend_buft_get_max_size(buft)) {
        return block;
    }
    block.buffer.reset(ggml_backend_buft_alloc_buffer(buft, block.bytes));
    if (!block.buffer) {
        return block;
    }
    ggml_backend_buffer_set_usage(block.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    char * at = static_cast<char *>(ggml_backend_buffer_get_base(block.buffer.get()));
    for (const Copy & copy : block.copies) {
        if (host::place(copy.tensor.get(), block.buffer.get(), at) != GGML_STATUS_SUCCESS) {
            block.buffer.reset();
            return block;
        }
        host::set_blocking(copy.tensor.get(), copy.data, 0, ggml_nbytes(copy.tensor.get()));
        at += room_for(copy.tensor.get(), buft);
    }
    return block;
}

// Where memory runs out, the block is kept all the same, and some of its tensors are not found.
void ResidentExperts::keep(Block block) {
    bytes_ += block.bytes;
    blocks_.push_back(std::move(block));
    for (const Copy & copy : blocks_.back().copies) {
        hosts_.push_back(copy.host);
        by_address_[copy.data] = copy.tensor.get();
    }
}

const ggml_tensor * ResidentExperts::find_changed() {
    size_t n = 0;
    for (const Block & block : blocks_) {
        n += block.copies.size();
    }
    size_t index = n > 0 ? n_checked_++ % n : 0;
    for (const Block & block : blocks_) {
        if (index < block.copies.size()) {
            const Copy & copy = block.copies[index];
            std::vector<char> bytes(ggml_nbytes(copy.tensor.get()));
            host::get_blocking(copy.tensor.get(), bytes.data());
            return std::memcmp(bytes.data(), copy.data, bytes.size()) == 0 ? nullptr : copy.tensor.get();
        }
        index -= block.copies.size();
    }
    return nullptr;
}

} // namespace ggml_sched
