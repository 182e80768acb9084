// ggml.h - tensors, contexts, operations and graphs. Names, signatures and meaning are ggml's.
//
// The header has the part of ggml that a backend scheduler and a small language model need. A context owns tensors and
// graphs. A tensor has the operation and the operands that it is computed from. A graph lists tensors to compute.
//
// Errors
//   Only ggml_abort aborts. A function that builds an object returns NULL if the context has no memory, or a shape or
//   type is wrong. It then logs one line that says what to do. Builders return NULL for NULL operands. So a chain of
//   calls can be checked once, at its end.
//
// Threading
//   One thread at a time uses a context and the objects in it. Different contexts are independent.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef GGML_SHARED
#    ifdef _WIN32
#        ifdef GGML_BUILD
#            define GGML_API __declspec(dllexport) extern
#        else
#            define GGML_API __declspec(dllimport) extern
#        endif
#    else
#        define GGML_API __attribute__((visibility("default"))) extern
#    endif
#else
#    define GGML_API extern
#endif

#if defined(__MINGW32__) && !defined(__clang__) // There "printf" means Microsoft's old one.
#    define GGML_ATTRIBUTE_FORMAT(...) __attribute__((format(gnu_printf, __VA_ARGS__)))
#elif defined(__GNUC__)
#    define GGML_ATTRIBUTE_FORMAT(...) __attribute__((format(printf, __VA_ARGS__)))
#else
#    define GGML_ATTRIBUTE_FORMAT(...)
#endif

#define GGML_MAX_DIMS           4
#define GGML_MAX_SRC            10
#define GGML_MAX_OP_PARAMS      64 // bytes
#define GGML_MAX_NAME           64 // bytes, the final zero included
#define GGML_MAX_N_THREADS      512
#define GGML_DEFAULT_N_THREADS  4
#define GGML_DEFAULT_GRAPH_SIZE 2048
#define GGML_N_TASKS_MAX        (-1) // as many tasks as the backend has threads; see ggml_custom_4d
#define GGML_MEM_ALIGN          16

#define GGML_ROPE_TYPE_NORMAL 0 // ggml_rope rotates the pairs (2i, 2i + 1).
#define GGML_ROPE_TYPE_NEOX   2 // ggml_rope rotates the pairs (i, i + n_dims/2).

#define GGML_UNUSED(x) (void) (x)
#define GGML_PAD(x, n) (((x) + (n) -1) & ~((n) -1)) // rounds x up to a multiple of n, a power of two

// These are for programs. The library itself never uses them.
#define GGML_ABORT(...) ggml_abort(__FILE__, __LINE__, __VA_ARGS__)
#define GGML_ASSERT(x)  do { if (!(x)) GGML_ABORT("GGML_ASSERT(%s) failed", #x); } while (0)

#ifdef __cplusplus
extern "C" {
#endif

// Prints the message with its place in the program to stderr and ends the process.
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
GGML_API void ggml_abort(const char * file, int line, const char * fmt, ...) GGML_ATTRIBUTE_FORMAT(3, 4);

enum ggml_status {
    GGML_STATUS_ALLOC_FAILED = -2, // Memory ran out.
    GGML_STATUS_FAILED       = -1, // The log says why.
    GGML_STATUS_SUCCESS      = 0,
    GGML_STATUS_ABORTED      = 1,  // A callback of the caller asked to stop.
};

// Returns a static text, never NULL.
GGML_API const char * ggml_status_to_string(enum ggml_status status);

//
// Log
//

enum ggml_log_level {
    GGML_LOG_LEVEL_NONE  = 0,
    GGML_LOG_LEVEL_DEBUG = 1,
    GGML_LOG_LEVEL_INFO  = 2,
    GGML_LOG_LEVEL_WARN  = 3,
    GGML_LOG_LEVEL_ERROR = 4,
    GGML_LOG_LEVEL_CONT  = 5, // The text continues the line before.
};

// `text` is valid only during the call. It ends with a newline unless a CONT follows.
typedef void (*ggml_log_callback)(enum ggml_log_level level, const char * text, void * user_data);

// Sends all later messages of the library to the callback. NULL brings back the default, which prints to stderr. Set it
// before other threads use the library. Any thread may call the callback.
GGML_API void ggml_log_set(ggml_log_callback log_callback, void * user_data);
// Writes the current callback and its argument. Either pointer may be NULL.
GGML_API void ggml_log_get(ggml_log_callback * log_callback, void ** user_data);

// The callback is asked between nodes, from any thread. It returns true to stop the computation.
typedef bool (*ggml_abort_callback)(void * data);

//
// Types
//

typedef uint16_t ggml_fp16_t;                  // IEEE 754-2008 binary16
typedef struct { uint16_t bits; } ggml_bf16_t; // the upper half of an IEEE binary32

enum ggml_type {
    GGML_TYPE_F32   = 0,
    GGML_TYPE_F16   = 1,
    GGML_TYPE_Q4_0  = 2,  // blocks of 32: a binary16 scale d, 16 bytes of nibbles q; value = d * (q - 8)
    GGML_TYPE_Q8_0  = 8,  // blocks of 32: a binary16 scale d, 32 signed bytes q; value = d * q
    GGML_TYPE_I8    = 24, // No operation computes with I8, I16 and F64, which are for reading files.
    GGML_TYPE_I16   = 25,
    GGML_TYPE_I32   = 26,
    GGML_TYPE_I64   = 27,
    GGML_TYPE_F64   = 28,
    GGML_TYPE_BF16  = 30,
    GGML_TYPE_COUNT = 43, // the number of ggml's types; this library lacks those that are not listed
};

typedef void (*ggml_to_float_t)(const void * x, float * y, int64_t k);
typedef void (*ggml_from_float_t)(const float * x, void * y, int64_t k);

struct ggml_type_traits {
    const char *      type_name;
    int64_t           blck_size; // elements of a block
    size_t            type_size; // bytes of a block
    bool              is_quantized;
    ggml_to_float_t   to_float;       // NULL for integer types; takes a multiple of blck_size elements
    ggml_from_float_t from_float_ref; // NULL for integer types; takes a multiple of blck_size elements
};

// Returns NULL for a type that this library does not have. The result is static.
GGML_API const struct ggml_type_traits * ggml_get_type_traits(enum ggml_type type);

GGML_API int64_t      ggml_blck_size(enum ggml_type type);             // 0 for an unknown type
GGML_API size_t       ggml_type_size(enum ggml_type type);             // bytes of one block; 0 for an unknown type
GGML_API size_t       ggml_row_size(enum ggml_type type, int64_t ne);  // bytes of ne elements, which are whole blocks
GGML_API const char * ggml_type_name(enum ggml_type type);             // "?" for an unknown type
GGML_API bool         ggml_is_quantized(enum ggml_type type);

// These round to the nearest value, and ties to even. NaN stays NaN, and overflow becomes infinity.
GGML_API float       ggml_fp16_to_fp32(ggml_fp16_t x);
GGML_API ggml_fp16_t ggml_fp32_to_fp16(float x);
GGML_API void        ggml_fp16_to_fp32_row(const ggml_fp16_t * x, float * y, int64_t n);
GGML_API void        ggml_fp32_to_fp16_row(const float * x, ggml_fp16_t * y, int64_t n);
GGML_API float       ggml_bf16_to_fp32(ggml_bf16_t x);
GGML_API ggml_bf16_t ggml_fp32_to_bf16(float x);
GGML_API void        ggml_bf16_to_fp32_row(const ggml_bf16_t * x, float * y, int64_t n);
GGML_API void        ggml_fp32_to_bf16_row(const float * x, ggml_bf16_t * y, int64_t n);

// Converts nrows rows of n_per_row floats, beginning at element `start` of `src`, into `type`. `dst` is the beginning
// of the whole tensor. `imatrix` is not used and may be NULL. Returns the bytes that were written. Returns 0 if `type`
// is neither a float nor a quantized type, or `start` or n_per_row is not a multiple of its block.
GGML_API size_t ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows,
                                    int64_t n_per_row, const float * imatrix);

//
// Operations
//

enum ggml_op {
    GGML_OP_NONE = 0, // The tensor is not computed: a weight, an input.

    GGML_OP_DUP,
    GGML_OP_ADD,
    GGML_OP_MUL,
    GGML_OP_DIV,
    GGML_OP_SUM_ROWS,
    GGML_OP_ARGMAX,
    GGML_OP_REPEAT,
    GGML_OP_CONCAT,
    GGML_OP_RMS_NORM,
    GGML_OP_MUL_MAT,
    GGML_OP_MUL_MAT_ID,
    GGML_OP_SCALE,
    GGML_OP_SET,
    GGML_OP_CPY,
    GGML_OP_CONT,
    GGML_OP_RESHAPE,
    GGML_OP_VIEW,
    GGML_OP_PERMUTE,
    GGML_OP_TRANSPOSE,
    GGML_OP_GET_ROWS,
    GGML_OP_SET_ROWS,
    GGML_OP_SOFT_MAX,
    GGML_OP_ROPE,
    GGML_OP_ARGSORT,
    GGML_OP_TOP_K,
    GGML_OP_UNARY,
    GGML_OP_GLU,
    GGML_OP_CUSTOM, // calls a function of the program

    GGML_OP_COUNT,
};

enum ggml_unary_op {
    GGML_UNARY_OP_RELU,
    GGML_UNARY_OP_GELU, // the tanh approximation
    GGML_UNARY_OP_SILU,

    GGML_UNARY_OP_COUNT,
};

enum ggml_glu_op {
    GGML_GLU_OP_SWIGLU, // silu(a) * b

    GGML_GLU_OP_COUNT,
};

enum ggml_sort_order {
    GGML_SORT_ORDER_ASC,
    GGML_SORT_ORDER_DESC,
};

enum ggml_prec {
    GGML_PREC_DEFAULT = 0,
    GGML_PREC_F32     = 10,
};

enum ggml_tensor_flag {
    GGML_TENSOR_FLAG_INPUT   = 1,  // The caller writes it between runs.
    GGML_TENSOR_FLAG_OUTPUT  = 2,  // The caller reads it after a run, so its memory is not reused.
    GGML_TENSOR_FLAG_PARAM   = 4,
    GGML_TENSOR_FLAG_LOSS    = 8,
    GGML_TENSOR_FLAG_COMPUTE = 16, // ggml_build_forward_expand needs the tensor. Backends skip nodes without the flag.
};

// A tensor. Dimension 0 is the fastest. A view shares the memory of view_src, which is never itself a view.
struct ggml_tensor {
    enum ggml_type type;

    struct ggml_backend_buffer * buffer; // the buffer that `data` lies in; NULL before allocation

    int64_t ne[GGML_MAX_DIMS]; // elements
    size_t  nb[GGML_MAX_DIMS]; // strides in bytes; nb[0] is the size of a block

    enum ggml_op op;
    int32_t      op_params[GGML_MAX_OP_PARAMS / sizeof(int32_t)];
    int32_t      flags; // a sum of ggml_tensor_flag

    struct ggml_tensor * src[GGML_MAX_SRC]; // operands; NULL where unused

    struct ggml_tensor * view_src;
    size_t               view_offs; // bytes from view_src's data

    void * data; // address in the memory of the buffer; host code may follow it only in host buffers

    char   name[GGML_MAX_NAME];
    void * extra; // for the backend
    char   padding[8]; // as in ggml, whose backends copy tensors by value
};

GGML_API const char * ggml_op_name(enum ggml_op op);
GGML_API const char * ggml_op_symbol(enum ggml_op op);
GGML_API const char * ggml_unary_op_name(enum ggml_unary_op op);
GGML_API const char * ggml_glu_op_name(enum ggml_glu_op op);
GGML_API const char * ggml_op_desc(const struct ggml_tensor * t); // name of the unary or gated operation, or of op

GGML_API enum ggml_unary_op ggml_get_unary_op(const struct ggml_tensor * tensor);
GGML_API enum ggml_glu_op   ggml_get_glu_op(const struct ggml_tensor * tensor);

GGML_API int64_t ggml_nelements(const struct ggml_tensor * tensor);
GGML_API int64_t ggml_nrows(const struct ggml_tensor * tensor);
GGML_API size_t  ggml_nbytes(const struct ggml_tensor * tensor);     // from the first to the last byte, gaps included
GGML_API size_t  ggml_nbytes_pad(const struct ggml_tensor * tensor); // rounded up to GGML_MEM_ALIGN
GGML_API size_t  ggml_element_size(const struct ggml_tensor * tensor);
GGML_API int     ggml_n_dims(const struct ggml_tensor * tensor);     // 1 for scalars

GGML_API bool ggml_is_transposed(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_permuted(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_empty(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_view(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_scalar(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_vector(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_matrix(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_3d(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_contiguous(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_contiguous_0(const struct ggml_tensor * tensor); // the same as ggml_is_contiguous
GGML_API bool ggml_is_contiguous_1(const struct ggml_tensor * tensor); // in the dimensions >= 1
GGML_API bool ggml_is_contiguous_2(const struct ggml_tensor * tensor); // in the dimensions >= 2
GGML_API bool ggml_is_contiguous_rows(const struct ggml_tensor * tensor);
GGML_API bool ggml_is_contiguously_allocated(const struct ggml_tensor * tensor); // in any order of dimensions
GGML_API bool ggml_are_same_shape(const struct ggml_tensor * t0, const struct ggml_tensor * t1);
GGML_API bool ggml_are_same_stride(const struct ggml_tensor * t0, const struct ggml_tensor * t1);
GGML_API bool ggml_can_repeat(const struct ggml_tensor * t0, const struct ggml_tensor * t1); // t0 fits into t1 n times

//
// Contexts: a context is memory for the descriptions of tensors and graphs, and for their data if no_alloc is false.
//

struct ggml_init_params {
    size_t mem_size;   // bytes
    void * mem_buffer; // the caller's memory, which must outlive the context; NULL: the context allocates its own
    bool   no_alloc;   // True if tensors get no memory for their data.
};

// Makes a context, which the caller frees. Returns NULL if memory runs out. Objects live until it is freed or reset.
GGML_API struct ggml_context * ggml_init(struct ggml_init_params params);
GGML_API void                  ggml_reset(struct ggml_context * ctx); // forgets every object
GGML_API void                  ggml_free(struct ggml_context * ctx);  // NULL is allowed

GGML_API size_t ggml_used_mem(const struct ggml_context * ctx);
GGML_API bool   ggml_get_no_alloc(struct ggml_context * ctx);
GGML_API void   ggml_set_no_alloc(struct ggml_context * ctx, bool no_alloc);
GGML_API void * ggml_get_mem_buffer(const struct ggml_context * ctx);
GGML_API size_t ggml_get_mem_size(const struct ggml_context * ctx);
GGML_API size_t ggml_get_max_tensor_size(const struct ggml_context * ctx);

// These return the bytes of mem_size that one tensor without data, or one graph of `size` nodes, needs.
GGML_API size_t ggml_tensor_overhead(void);
GGML_API size_t ggml_graph_overhead(void); // for GGML_DEFAULT_GRAPH_SIZE nodes
GGML_API size_t ggml_graph_overhead_custom(size_t size, bool grads);

GGML_API struct ggml_tensor * ggml_new_tensor(struct ggml_context * ctx, enum ggml_type type, int n_dims, const int64_t * ne);
GGML_API struct ggml_tensor * ggml_new_tensor_1d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0);
GGML_API struct ggml_tensor * ggml_new_tensor_2d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1);
GGML_API struct ggml_tensor * ggml_new_tensor_3d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1,
                                                 int64_t ne2);
GGML_API struct ggml_tensor * ggml_new_tensor_4d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1,
                                                 int64_t ne2, int64_t ne3);
// These make a tensor of the type and shape of src, and a view of all of src.
GGML_API struct ggml_tensor * ggml_dup_tensor(struct ggml_context * ctx, const struct ggml_tensor * src);
GGML_API struct ggml_tensor * ggml_view_tensor(struct ggml_context * ctx, struct ggml_tensor * src);

// These enumerate the tensors of a context in the order of their creation. They return NULL at the end.
GGML_API struct ggml_tensor * ggml_get_first_tensor(const struct ggml_context * ctx);
GGML_API struct ggml_tensor * ggml_get_next_tensor(const struct ggml_context * ctx, struct ggml_tensor * tensor);
GGML_API struct ggml_tensor * ggml_get_tensor(struct ggml_context * ctx, const char * name); // NULL if there is none

GGML_API void *               ggml_get_data(const struct ggml_tensor * tensor);
GGML_API float *              ggml_get_data_f32(const struct ggml_tensor * tensor); // NULL unless F32
GGML_API const char *         ggml_get_name(const struct ggml_tensor * tensor);
GGML_API struct ggml_tensor * ggml_set_name(struct ggml_tensor * tensor, const char * name); // cuts it to GGML_MAX_NAME
GGML_API struct ggml_tensor * ggml_format_name(struct ggml_tensor * tensor, const char * fmt, ...) GGML_ATTRIBUTE_FORMAT(2, 3);

GGML_API void ggml_set_input(struct ggml_tensor * tensor);
GGML_API void ggml_set_output(struct ggml_tensor * tensor);
GGML_API void ggml_set_param(struct ggml_tensor * tensor); // tensor->op must be NONE

//
// Graphs: a graph lists nodes in the order of execution, and leafs, which are not computed.
//

// Makes a graph of the context. Returns NULL if the context is full. `size` is the most nodes, and the most leafs.
GGML_API struct ggml_cgraph * ggml_new_graph(struct ggml_context * ctx); // has GGML_DEFAULT_GRAPH_SIZE
GGML_API struct ggml_cgraph * ggml_new_graph_custom(struct ggml_context * ctx, size_t size, bool grads); // no grads

// Adds the tensor behind all that it is computed from, unless already there. If the graph is full the rest is left out.
// Computing the graph then fails with a message.
GGML_API void ggml_build_forward_expand(struct ggml_cgraph * cgraph, struct ggml_tensor * tensor);
GGML_API void ggml_graph_add_node(struct ggml_cgraph * cgraph, struct ggml_tensor * tensor); // does not add operands

// ggml_graph_node and ggml_graph_get_tensor return NULL if there is no such node.
GGML_API int                   ggml_graph_size(struct ggml_cgraph * cgraph);
GGML_API struct ggml_tensor *  ggml_graph_node(struct ggml_cgraph * cgraph, int i); // i < 0 counts from the end
GGML_API struct ggml_tensor ** ggml_graph_nodes(struct ggml_cgraph * cgraph);
GGML_API int                   ggml_graph_n_nodes(struct ggml_cgraph * cgraph);
GGML_API struct ggml_tensor *  ggml_graph_get_tensor(const struct ggml_cgraph * cgraph, const char * name);
GGML_API void                  ggml_graph_clear(struct ggml_cgraph * cgraph); // forgets nodes and leafs
GGML_API void                  ggml_graph_print(const struct ggml_cgraph * cgraph); // to the log

GGML_API void    ggml_time_init(void);
GGML_API int64_t ggml_time_ms(void);
GGML_API int64_t ggml_time_us(void);

#ifdef __cplusplus
}
#endif

#include "ggml-ops.h" // the builders of operations
