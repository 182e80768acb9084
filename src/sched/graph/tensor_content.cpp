#include "graph/tensor_content.h"

#include "host/operations.h"

namespace ggml_sched {

void TensorContent::find_difference(const ggml_tensor & tensor, size_t & bytes, Difference & difference) {
    const bool gets_or_loses_place = !tensor.view_src && !place_ != !tensor.data;
    // As in ggml, a view of a weight counts as a weight only if the view itself names a buffer.
    const bool becomes_weight = has_buffer_ != (tensor.buffer != nullptr) && is_in_weights();
    if (becomes_weight || op_ != tensor.op || flags_ != tensor.flags || buffer_ != host::buffer_of(&tensor) ||
        gets_or_loses_place) {
        difference.kind = true;
        return;
    }
    difference.place |= place_ != place_of(tensor);
    difference.layout |= type_ != tensor.type || differing_bits(ne_, tensor.ne) || differing_bits(nb_, tensor.nb);
    difference.parameters |= !host::is_view_op(&tensor) && differing_bits(op_params_, tensor.op_params);
    if (!take(tensor, bytes)) {
        bytes = ggml_nbytes(&tensor);
    }
}

} // namespace ggml_sched
