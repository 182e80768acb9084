#include "observe/tensors_at.h"

#include <algorithm>
#include <iterator>

#include "lower/accesses.h"

namespace ggml_sched {

namespace {

constexpr size_t kMostNames = 4; // Memory is used again, so that a few tensors of a launch may lie in the same bytes.

} // namespace

// Returns the tensors that a task reads or writes.
std::vector<const ggml_tensor *> TensorsAt::touched_by(const plan::Task & task) const {
    std::vector<const ggml_tensor *> tensors;
    if (task.kind == plan::TaskKind::Launch || task.kind == plan::TaskKind::Observe) {
        const Split & split = splits_.splits[static_cast<size_t>(task.split)];
        for (int i = split.begin; i < split.end; i++) {
            const ggml_tensor * node = graph_.tensor(graph_.nodes()[i].tensor);
            tensors.push_back(node);
            std::copy_if(node->src, node->src + GGML_MAX_SRC, std::back_inserter(tensors),
                         [](const ggml_tensor * src) { return src != nullptr; });
        }
    } else if (plan::is_copy(task.kind) || task.kind == plan::TaskKind::Snapshot) {
        const size_t first = task.binding;
        const size_t n = task.kind == plan::TaskKind::SetAsync ? copies_[first].n_merged : 1;
        for (size_t i = first; i < first + n; i++) {
            tensors.insert(tensors.end(), {copies_[i].bank ? copies_[i].bank : copies_[i].src, copies_[i].dst});
        }
    } else { // The caller touches its inputs, or results.
        for (TensorId id = 0; id < graph_.n_tensors(); id++) {
            const ggml_tensor * tensor = graph_.tensor(id);
            if (tensor->flags & (GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT)) {
                tensors.push_back(tensor);
            }
        }
    }
    return tensors;
}

// Returns true if the tensor lies in some of these bytes.
bool TensorsAt::overlaps(const ggml_tensor * tensor, const plan::Access & bytes) const {
    BufferTable buffers(spaces_);
    return overlap(access_to(tensor, false, buffers), bytes);
}

std::string TensorsAt::operator()(const plan::Task & task, const plan::Access & bytes) const {
    std::vector<std::string> names;
    for (const ggml_tensor * tensor : touched_by(task)) {
        const std::string name = "'" + std::string(tensor->name) + "'";
        if (names.size() < kMostNames && overlaps(tensor, bytes) &&
            std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    }
    std::string text;
    for (const std::string & name : names) {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

} // namespace ggml_sched
