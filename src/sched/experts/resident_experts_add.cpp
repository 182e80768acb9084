// The part of ResidentExperts that decides what becomes resident, and gets the memory for it.

#include <algorithm>
#include <utility>

#include "experts/resident_experts.h"
#include "host/execute.h"
#include "host/log.h"
#include "host/registered_buffers.h"
#include "host/tuning.h"

namespace ggml_sched {

namespace {

// So many graphs are looked at again that have a block without a pattern. Engines begin with unusual graphs.
constexpr int kMostLookedAt = 50;

} // namespace

bool ResidentExperts::are_new(const ggml_cgraph * graph) const {
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size && !is_full_; i++) {
        const ggml_tensor * const matrices = matrices_in_host_memory(nodes[i]);
        if (matrices && !find(matrices) && !bank_of(matrices) && decided_.find(matrices->data) == decided_.end()) {
            return true;
        }
    }
    return false;
}

std::string ResidentExperts::add(ggml_cgraph * graph) {
    const std::vector<ExpertBlock> blocks = find_expert_blocks(graph, backends_);
    const std::vector<Demand> demands = demands_of(blocks);
    n_looked_at_++;
    std::string listing;
    const size_t before = blocks_.size() + banks_.size();
    for (const ExpertBlock & block : blocks) {
        Candidate candidate = look_at(block);
        const size_t n_banks = banks_.size();
        place(candidate, graph, demands);
        const Obstacle & obstacle = candidate.obstacle;
        listing +=
            std::string("## EXPERTS: '") + candidate.block.operands.front().tensor->name + "' and what belongs to it ";
        if (obstacle.text) {
            listing += std::string("stay in host memory: ") + (obstacle.tensor ? obstacle.tensor->name : "") +
                       (obstacle.tensor ? " " : "") + obstacle.text + "\n";
            continue;
        }
        const bool has_bank = banks_.size() > n_banks;
        listing += has_bank ? "have " + std::to_string(banks_.back()->residency().n_entries()) + " entries of " +
                                  std::to_string(banks_.back()->residency().n_experts()) + " experts"
                            : "are resident";
        listing += (candidate.backend == kNoBackend ? "" : " on " + backends_[candidate.backend].name) + "\n";
    }
    if (blocks_.size() + banks_.size() > before) {
        host::log_info("experts of " + std::to_string(blocks_.size() + banks_.size()) +
                       " layers have device memory: " + std::to_string(bytes() / Tuning::kMiB) + " MiB");
    }
    return listing;
}

// Returns by backend what the blocks need there, and what there is for them.
std::vector<ResidentExperts::Demand> ResidentExperts::demands_of(const std::vector<ExpertBlock> & blocks) {
    std::vector<Demand> demands(backends_.size());
    std::unordered_set<const ggml_tensor *> counted; // Blocks may share tensors.
    for (const ExpertBlock & block : blocks) {
        const Candidate candidate = look_at(block);
        for (const ggml_tensor * tensor : candidate.tensors) {
            if (candidate.backend != kNoBackend && counted.insert(tensor).second) {
                demands[candidate.backend].needed +=
                    describe_copy(tensor, backends_[candidate.backend].buft, INT64_MAX).bytes;
            }
        }
    }
    for (size_t b = 0; b < backends_.size(); b++) {
        demands[b].left = demands[b].needed > 0 ? left_on(static_cast<BackendId>(b)) : 0;
    }
    return demands;
}

// Finds out what would become resident of a block, and on which device.
ResidentExperts::Candidate ResidentExperts::look_at(const ExpertBlock & block) {
    Candidate candidate = {block, missing(block), kNoBackend, {}};
    if (candidate.tensors.empty()) {
        return candidate;
    }
    for (const ggml_tensor * tensor : candidate.tensors) {
        decided_.insert(tensor->data);
    }
    if (block.table) {
        candidate.obstacle = {"holds integers, as a cache of experts of the engine does", block.table};
        return candidate;
    }
    find_device(candidate);
    return candidate;
}

// Finds the device for a block, or what is in the way on that of its layer.
void ResidentExperts::find_device(Candidate & candidate) const {
    const auto n_devices = static_cast<BackendId>(backends_.size() - 1);
    const BackendId first = candidate.block.layer == kNoBackend ? BackendId{0} : candidate.block.layer;
    candidate.obstacle = {"the scheduler has no device"};
    for (BackendId i = 0; i < n_devices; i++) { // the device of the layer, then the others in order
        const BackendId b = i == 0 ? first : static_cast<BackendId>(i <= first ? i - 1 : i);
        const Obstacle here = obstacle_on(b, candidate.block);
        if (!here.text) {
            candidate.backend = b;
            candidate.obstacle = {};
            return;
        }
        candidate.obstacle = i == 0 ? here : candidate.obstacle;
    }
}

// Makes a block resident, or gives it a bank, or notes what is in the way.
void ResidentExperts::place(Candidate & candidate, ggml_cgraph * graph, const std::vector<Demand> & demands) {
    if (candidate.obstacle.text || candidate.tensors.empty()) {
        return;
    }
    const Demand & demand = demands[candidate.backend];
    if (settings_.misses == Misses::None || demand.needed <= demand.left) {
        candidate.obstacle = load(candidate.tensors, candidate.backend);
        return;
    }
    candidate.obstacle =
        make_bank(candidate, graph, static_cast<double>(demand.left) / static_cast<double>(demand.needed));
    if (candidate.obstacle.text && n_looked_at_ < kMostLookedAt) { // Another graph may have other nodes there.
        for (const ggml_tensor * tensor : candidate.tensors) {
            decided_.erase(tensor->data);
        }
    }
}

// Returns true if the pattern reads the operand by its ids, as the weights of so many experts.
static bool reads_by_ids(const ExpertPattern & pattern, const ExpertOperand & operand, int64_t n_experts) {
    const bool is_in_pattern =
        std::find(pattern.nodes.begin(), pattern.nodes.end(), operand.node) != pattern.nodes.end();
    const int dimension = operand_with_experts(operand.node) == 0 ? 2 : 1; // MUL_MAT_ID and ADD_ID
    return is_in_pattern && ggml_is_contiguous(operand.tensor) && expert_dimension(operand.tensor) == dimension &&
           operand.tensor->ne[dimension] == n_experts;
}

// Returns how many entries have room in this share of the bytes of all experts.
static int64_t n_entries_of(const std::vector<const ggml_tensor *> & tensors, ggml_backend_buffer_type_t buft,
                            int64_t n_experts, double share) {
    const auto bytes_of = [&](int64_t n_entries) {
        size_t bytes = 0;
        for (const ggml_tensor * tensor : tensors) {
            bytes += describe_copy(tensor, buft, n_entries).bytes;
        }
        return bytes;
    };
    const auto most = static_cast<size_t>(share * static_cast<double>(bytes_of(n_experts)));
    auto n_entries = static_cast<int64_t>(share * static_cast<double>(n_experts));
    while (n_entries > 0 && bytes_of(n_entries) > most) { // alignment
        n_entries--;
    }
    return n_entries;
}

// Makes a bank for this share of the experts. Returns what is in the way.
Obstacle ResidentExperts::make_bank(const Candidate & candidate, ggml_cgraph * graph, double share) {
    const auto is_one = [&](const ggml_tensor * experts) {
        return std::find(candidate.tensors.begin(), candidate.tensors.end(), experts) != candidate.tensors.end();
    };
    const std::vector<ExpertPattern> patterns = find_patterns(host::nodes_of(graph), is_one);
    const auto of_block = std::find_if(patterns.begin(), patterns.end(), [&](const ExpertPattern & pattern) {
        return expert_root_of(pattern.ids) == candidate.block.ids;
    });
    if (of_block == patterns.end()) {
        return {"is not read as one of the block's experts", candidate.tensors[0]};
    }
    const ExpertPattern & pattern = *of_block;
    if (pattern.obstacle.text) {
        return pattern.obstacle;
    }
    const int64_t n_experts = candidate.tensors[0]->ne[expert_dimension(candidate.tensors[0])];
    for (const ExpertOperand & operand : candidate.block.operands) {
        if (!is_one(operand.tensor) || !reads_by_ids(pattern, operand, n_experts)) {
            return {"is not read as one of the block's experts", operand.tensor};
        }
    }
    const ggml_backend_buffer_type_t buft = backends_[candidate.backend].buft;
    const int64_t n_entries = n_entries_of(candidate.tensors, buft, n_experts, share);
    for (const ggml_tensor * tensor : candidate.tensors) {
        if (describe_copy(tensor, buft, n_entries).bytes > ggml_backend_buft_get_max_size(buft)) {
            return {"is too large for a buffer of the device", tensor};
        }
        if (!ExpertBank::can_hold(tensor, buft)) {
            return {"has bytes that the device does not keep as they are", tensor};
        }
    }
    if (n_entries < pattern.n_chosen()) {
        return {"the budget has no room for the experts of one token"};
    }
    for (const ggml_tensor * const tensor : candidate.tensors) { // Their experts are uploaded again and again.
        host::register_buffer(host::buffer_of(tensor), backends_[candidate.backend], backends_.back(),
                              registered_from_);
    }
    std::unique_ptr<ExpertBank> bank =
        ExpertBank::make(candidate.tensors, backends_, candidate.backend, static_cast<int>(n_entries),
                         static_cast<int>(pattern.n_chosen()), share_);
    if (!bank) {
        left_[candidate.backend] = 0;
        return {"the device has refused memory"};
    }
    parted_.begin(graph);
    const Obstacle obstacle = parted_.add(pattern, *bank, settings_.misses);
    parted_.begin(graph);
    if (!obstacle.text) {
        left_[candidate.backend] -= std::min(left_[candidate.backend], bank->bytes());
        banks_.push_back(std::move(bank));
    }
    return obstacle;
}

// Returns the different tensors of a block that have neither a copy nor a bank.
std::vector<const ggml_tensor *> ResidentExperts::missing(const ExpertBlock & block) const {
    std::vector<const ggml_tensor *> tensors;
    for (const ExpertOperand & operand : block.operands) {
        if (!find(operand.tensor) && !bank_of(operand.tensor) &&
            std::find(tensors.begin(), tensors.end(), operand.tensor) == tensors.end()) {
            tensors.push_back(operand.tensor);
        }
    }
    return tensors;
}

// Returns why a device cannot compute the block with copies.
Obstacle ResidentExperts::obstacle_on(BackendId backend, const ExpertBlock & block) const {
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
Obstacle ResidentExperts::load(const std::vector<const ggml_tensor *> & tensors, BackendId backend) {
    const ggml_backend_buffer_type_t buft = backends_[backend].buft;
    size_t bytes = 0;
    Block block;
    for (const ggml_tensor * tensor : tensors) {
        block.push_back(describe_copy(tensor, buft, INT64_MAX));
        bytes += block.back().bytes;
        if (block.back().bytes > ggml_backend_buft_get_max_size(buft)) {
            return {"is too large for a buffer of the device", tensor};
        }
    }
    if (bytes > left_on(backend)) {
        return {"the budget has no room for them"};
    }
    for (ResidentCopy & copy : block) {
        if (!allocate_copy(copy, buft)) {
            left_[backend] = 0;
            return {"the device has refused memory"};
        }
        host::set_blocking(copy.tensor.get(), copy.data, 0, ggml_nbytes(copy.tensor.get()));
    }
    left_[backend] -= bytes;
    keep(std::move(block));
    return {};
}

// If host memory runs out, the block is kept all the same, and some of its tensors are not found.
void ResidentExperts::keep(Block block) {
    blocks_.push_back(std::move(block));
    for (const ResidentCopy & copy : blocks_.back()) {
        if (std::find(hosts_.begin(), hosts_.end(), copy.host) == hosts_.end()) {
            hosts_.push_back(copy.host);
        }
        by_address_[copy.data] = copy.tensor.get();
    }
}

} // namespace ggml_sched
