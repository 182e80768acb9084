// any_ggml.h - what differs between the ggml of our headers and the one that the attach library meets when it runs.
//
// The compiler includes it before every source of the attach library. Structs of tensors are alike in every ggml that
// can be attached, which the proof checks. Numbers of operations are not: ggml adds operations in the middle.

#pragma once

#include "ggml.h"

namespace ggml_sched::attach {

// KnownOp - the operations that the scheduler knows, besides GGML_OP_NONE, which is 0 everywhere.
enum class KnownOp {
    MulMat,
    MulMatId,
    Reshape,
    View,
    Permute,
    Transpose,
    SetRows,
    FlashAttn,
    Rope,
    AddId,
    GetRows,
    Concat,
    Cont,
    Custom,
    Count
};

// Returns the number of the operation in the current ggml.
ggml_op number_of(KnownOp op);

} // namespace ggml_sched::attach

#define GGML_OP_MUL_MAT ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::MulMat)
#define GGML_OP_MUL_MAT_ID ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::MulMatId)
#define GGML_OP_RESHAPE ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Reshape)
#define GGML_OP_VIEW ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::View)
#define GGML_OP_PERMUTE ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Permute)
#define GGML_OP_TRANSPOSE ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Transpose)
#define GGML_OP_GET_ROWS ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::GetRows)
#define GGML_OP_CONCAT ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Concat)
#define GGML_OP_CONT ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Cont)
#define GGML_OP_CUSTOM ::ggml_sched::attach::number_of(::ggml_sched::attach::KnownOp::Custom)
#define GGML_OP_COUNT 256 // more than any ggml has
