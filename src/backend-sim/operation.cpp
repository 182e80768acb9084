#include "operation.h"

#include <cstring>

namespace ggml_sched::sim {

void Transfer::stage() {
    staged.resize(size * n);
    for (size_t i = 0; i < n; i++) {
        std::memcpy(staged.data() + i * size, src + i * src_stride, size);
    }
    src = staged.data();
    src_stride = size;
}

void Transfer::run() const {
    for (size_t i = 0; i < n; i++) {
        std::memmove(dst + i * dst_stride, src + i * src_stride, size);
    }
}

const char * name_of(OperationKind kind) {
    switch (kind) {
    case OperationKind::Compute: return "a graph launch";
    case OperationKind::Set: return "a set_tensor_async";
    case OperationKind::Get: return "a get_tensor_async";
    case OperationKind::Copy: return "a cpy_tensor_async";
    case OperationKind::Record: return "an event_record";
    case OperationKind::Wait: return "an event_wait";
    }
    return "?";
}

} // namespace ggml_sched::sim
