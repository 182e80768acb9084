#include "experts/expert_blocks.h"

#include <algorithm>

#include "host/operations.h"

namespace ggml_sched {

namespace {

constexpr int kMatrices = 0; // operand of MUL_MAT_ID

// True for a tensor, or a view of one, in a buffer of weights.
bool is_in_weights(const ggml_tensor * tensor) {
    return tensor && host::buffer_of(tensor) && host::is_weights(host::buffer_of(tensor));
}

// True for a weight of which a copy can stay on a device.
bool is_host_weight(const ggml_tensor * tensor) {
    return is_in_weights(tensor) && !tensor->view_src && host::is_host(tensor->buffer);
}

bool reads(const ggml_tensor * node, const ggml_tensor * root) {
    return std::any_of(node->src, node->src + GGML_MAX_SRC,
                       [&](const ggml_tensor * operand) { return operand && expert_root_of(operand) == root; });
}

// Makes an empty block for each tensor of ids with which experts in host memory are read.
std::vector<ExpertBlock> blocks_by_ids(const host::Nodes & nodes) {
    std::vector<ExpertBlock> blocks;
    for (int i = 0; i < nodes.size; i++) {
        if (!matrices_in_host_memory(nodes[i])) {
            continue;
        }
        const ggml_tensor * const ids = expert_root_of(nodes[i]->src[kIdsOperand]);
        if (std::none_of(blocks.begin(), blocks.end(), [&](const ExpertBlock & block) { return block.ids == ids; })) {
            blocks.push_back({ids, {}});
        }
    }
    return blocks;
}

// Adds what a node reads to its block.
void add_operands(const ggml_tensor * node, ExpertBlock & block) {
    for (const ggml_tensor * const operand : node->src) {
        if (!is_in_weights(operand) || expert_root_of(operand) == block.ids) {
            continue;
        }
        block.table = operand->type == GGML_TYPE_I32 ? operand : block.table;
        if (is_host_weight(operand)) {
            block.operands.push_back({node, operand});
        } else {
            block.others.push_back(operand);
        }
    }
}

// Returns the first device that can use one of the weights that the node reads; kNoBackend if there is none.
BackendId device_read_by(const ggml_tensor * node, const std::vector<host::Backend> & backends) {
    for (const ggml_tensor * const operand : node->src) {
        if (!is_in_weights(operand) || host::is_host(host::buffer_of(operand))) {
            continue;
        }
        for (size_t b = 0; b + 1 < backends.size(); b++) {
            if (ggml_backend_supports_buft(backends[b].handle, host::buft_of(host::buffer_of(operand)))) {
                return static_cast<BackendId>(b);
            }
        }
    }
    return kNoBackend;
}

} // namespace

const ggml_tensor * matrices_in_host_memory(const ggml_tensor * node) {
    return node->op == GGML_OP_MUL_MAT_ID && node->src[kIdsOperand] && is_host_weight(node->src[kMatrices])
               ? node->src[kMatrices]
               : nullptr;
}

std::vector<ExpertBlock> find_expert_blocks(const ggml_cgraph * graph, const std::vector<host::Backend> & backends) {
    const host::Nodes nodes = host::nodes_of(graph);
    std::vector<ExpertBlock> blocks = blocks_by_ids(nodes);
    BackendId layer = kNoBackend;
    for (int i = 0; i < nodes.size && !blocks.empty(); i++) {
        const ggml_tensor * const node = nodes[i];
        if (host::is_view_op(node)) {
            continue;
        }
        const auto block =
            std::find_if(blocks.begin(), blocks.end(), [&](const ExpertBlock & each) { return reads(node, each.ids); });
        if (block != blocks.end()) {
            block->layer = block->operands.empty() ? layer : block->layer;
            add_operands(node, *block);
        }
        const BackendId device = device_read_by(node, backends);
        layer = device == kNoBackend ? layer : device;
    }
    // A node that reads the ids of two blocks counts for the first one, which may leave the other one empty.
    blocks.erase(
        std::remove_if(blocks.begin(), blocks.end(), [](const ExpertBlock & block) { return block.operands.empty(); }),
        blocks.end());
    return blocks;
}

} // namespace ggml_sched
