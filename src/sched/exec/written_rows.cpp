#include "exec/written_rows.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace ggml_sched {

namespace {

int64_t id_at(const ggml_tensor * ids, const char * data, const int64_t (&at)[3]) {
    const char * id = data;
    for (int dim = 0; dim < 3; dim++) {
        id += static_cast<size_t>(at[dim]) * ids->nb[dim];
    }
    if (ids->type == GGML_TYPE_I32) {
        int32_t value = 0;
        std::memcpy(&value, id, sizeof(value));
        return value;
    }
    int64_t value = 0;
    std::memcpy(&value, id, sizeof(value));
    return value;
}

} // namespace

void WrittenRows::take_all(const ggml_tensor * node) {
    const char * const begin = static_cast<const char *>(node->data);
    ranges_.assign(1, {begin, begin + ggml_nbytes(node)});
}

// Row i of rows [., n, n2, n3] replaces row ids[i, i2 % ids.ne1, i3 % ids.ne2] of the matrix (i2, i3): see
// ggml_set_rows in ggml.h.
Status WrittenRows::find(const ggml_tensor * node, const ggml_tensor * ids, const char * data) {
    const ggml_tensor * rows = node->src[0];
    const size_t size = ggml_row_size(node->type, node->ne[0]);
    ranges_.clear();
    for (int64_t i3 = 0; i3 < rows->ne[3]; i3++) {
        for (int64_t i2 = 0; i2 < rows->ne[2]; i2++) {
            const char * matrix = static_cast<const char *>(node->data) + static_cast<size_t>(i2) * node->nb[2] +
                                  static_cast<size_t>(i3) * node->nb[3];
            for (int64_t i = 0; i < rows->ne[1]; i++) {
                const int64_t row = id_at(ids, data, {i, i2 % ids->ne[1], i3 % ids->ne[2]});
                if (row < 0 || row >= node->ne[1]) {
                    return Status::failed(std::string("'") + ids->name + "' names row " + std::to_string(row) + " of " +
                                          std::to_string(node->ne[1]));
                }
                const char * begin = matrix + static_cast<size_t>(row) * node->nb[1];
                ranges_.push_back({begin, begin + size});
            }
        }
    }
    std::sort(ranges_.begin(), ranges_.end(),
              [](const ByteRange & a, const ByteRange & b) { return a.begin < b.begin; });
    size_t last = 0;
    for (size_t i = 1; i < ranges_.size(); i++) {
        if (ranges_[i].begin <= ranges_[last].end) {
            ranges_[last].end = std::max(ranges_[last].end, ranges_[i].end);
        } else {
            ranges_[++last] = ranges_[i];
        }
    }
    ranges_.resize(std::min(ranges_.size(), last + 1));
    return {};
}

} // namespace ggml_sched
