#include "experts/expert_blocks.h"

#include <algorithm>

#include "host/query.h"

namespace ggml_sched {

namespace {

// Operands of MUL_MAT_ID
constexpr int kMatrices = 0;
constexpr int kIds = 2;

const ggml_tensor * root_of(const ggml_tensor * tensor) {
    return tensor->view_src ? tensor->view_src : tensor;
}

bool is_weight(const ggml_tensor * tensor) {
    return tensor && tensor->buffer && host::is_weights(tensor->buffer);
}

bool is_host_weight(const ggml_tensor * tensor) {
    return is_weight(tensor) && !tensor->view_src && host::is_host(tensor->buffer);
}

bool reads(const ggml_tensor * node, const ggml_tensor * root) {
    return std::any_of(node->src, node->src + GGML_MAX_SRC,
                       [&](const ggml_tensor * operand) { return operand && root_of(operand) == root; });
}

// Makes an empty block for each tensor of ids with which experts in host memory are read.
std::vector<ExpertBlock> blocks_by_ids(const host::Nodes & nodes) {
    std::vector<ExpertBlock> blocks;
    for (int i = 0; i < nodes.size; i++) {
        const ggml_tensor * const node = nodes[i];
        if (node->op != GGML_OP_MUL_MAT_ID || !node->src[kIds] || !is_host_weight(node->src[kMatrices])) {
            continue;
        }
        const ggml_tensor * const ids = root_of(node->src[kIds]);
        if (std::none_of(blocks.begin(), blocks.end(), [&](const ExpertBlock & block) { return block.ids == ids; })) {
            blocks.push_back({ids, {}});
        }
    }
    return blocks;
}

} // namespace

std::vector<ExpertBlock> find_expert_blocks(const ggml_cgraph * graph) {
    const host::Nodes nodes = host::nodes_of(graph);
    std::vector<ExpertBlock> blocks = blocks_by_ids(nodes);
    ggml_backend_buffer_t layer = nullptr;
    for (int i = 0; i < nodes.size && !blocks.empty(); i++) {
        ggml_tensor * const node = nodes[i];
        for (int slot = 0; slot < GGML_MAX_SRC; slot++) {
            const ggml_tensor * const operand = node->src[slot];
            if (!is_weight(operand)) {
                continue;
            }
            if (!host::is_host(operand->buffer)) {
                layer = operand->buffer;
                continue;
            }
            const auto block = std::find_if(blocks.begin(), blocks.end(),
                                            [&](const ExpertBlock & each) { return reads(node, each.ids); });
            if (block != blocks.end() && is_host_weight(operand)) {
                block->layer = block->operands.empty() ? layer : block->layer;
                block->operands.push_back({node, slot});
            }
        }
    }
    return blocks;
}

} // namespace ggml_sched
