// gguf.h - reads and writes GGUF files. Names, signatures and meaning are ggml's.
//
// A gguf_context stands for a file: named values ("kv pairs") and named tensors. The format has the versions 2 and 3.
// All numbers have the byte order of the machine:
//   "GGUF", version u32, number of tensors u64, number of kv pairs u64
//   kv pairs:  key, type u32, value; an array is its element type u32, its length u64, its elements; no nesting
//   tensors:   name, number of dimensions u32, that many u64, ggml_type u32, offset u64 in the data
//   zeros up to a multiple of the alignment (kv pair general.alignment, a u32, or 32)
//   the data:  the tensors in order, each padded with zeros to a multiple of the alignment
//   A string is its length u64 and its bytes. A bool is a byte, 0 or 1.
//
// Errors
//   Nothing here aborts. A file is not trusted: reading a wrong file gives NULL, and one line in the log that names the
//   file and the mistake. No more memory is used than the size of the file justifies. A getter logs an error if an id
//   does not exist or the value has another type. It then returns 0, NULL, "", GGUF_TYPE_COUNT or GGML_TYPE_COUNT. A
//   setter that cannot do what it is asked logs an error and changes nothing.
//
// Ownership
//   A gguf_context owns names, kv pairs and the descriptions of tensors, but never the data of tensors. Pointers that
//   getters return are valid until the next change of the context.
//
// Threading
//   One thread at a time uses a gguf_context. Any number of threads may read one that nobody changes.

#pragma once

#include "ggml.h"

#define GGUF_MAGIC   "GGUF"
#define GGUF_VERSION 3

#define GGUF_KEY_GENERAL_ALIGNMENT "general.alignment"

#define GGUF_DEFAULT_ALIGNMENT 32

#ifdef __cplusplus
extern "C" {
#endif

// Types of values
enum gguf_type {
    GGUF_TYPE_UINT8   = 0,
    GGUF_TYPE_INT8    = 1,
    GGUF_TYPE_UINT16  = 2,
    GGUF_TYPE_INT16   = 3,
    GGUF_TYPE_UINT32  = 4,
    GGUF_TYPE_INT32   = 5,
    GGUF_TYPE_FLOAT32 = 6,
    GGUF_TYPE_BOOL    = 7,
    GGUF_TYPE_STRING  = 8,
    GGUF_TYPE_ARRAY   = 9,
    GGUF_TYPE_UINT64  = 10,
    GGUF_TYPE_INT64   = 11,
    GGUF_TYPE_FLOAT64 = 12,
    GGUF_TYPE_COUNT,
};

// Returns "u8", "i8", ..., "str" or "arr"; NULL for another value. The text is static.
GGML_API const char * gguf_type_name(enum gguf_type type);

struct gguf_context;

//
// Reading
//

struct gguf_init_params {
    bool no_alloc; // True if the data of tensors is not read.

    // If not NULL, it receives a new context with the file's tensors in order; NULL on failure. The caller frees the
    // context. With no_alloc the tensors have no data, and the file need not have any (see gguf_write_to_file).
    // Otherwise the first tensor of the context has no name and all data, and the others point into it.
    struct ggml_context ** ctx;
};

// Reads up to `len` bytes at `offset` into `output`, and returns how many. Fewer than `len` mean the end, or an error.
typedef size_t (*gguf_reader_callback_t)(void * userdata, void * output, uint64_t offset, size_t len);

// These make a context, which the caller frees. They return NULL on failure.
GGML_API struct gguf_context * gguf_init_empty(void);
// Reads a regular file. Other kinds of files are refused.
GGML_API struct gguf_context * gguf_init_from_file(const char * fname, struct gguf_init_params params);
// Reads an open file from its position to its end. The position is undefined then.
GGML_API struct gguf_context * gguf_init_from_file_ptr(FILE * file, struct gguf_init_params params);
// Reads a file of `size` bytes in memory, and copies what it needs.
GGML_API struct gguf_context * gguf_init_from_buffer(const void * data, size_t size, struct gguf_init_params params);
// Reads at most max_chunk_read bytes at a time, 0 for any number. The file has at most max_expected_size bytes.
GGML_API struct gguf_context * gguf_init_from_callback(gguf_reader_callback_t callback, void * userdata, size_t max_chunk_read,
                                                       uint64_t max_expected_size, struct gguf_init_params params);
GGML_API void                  gguf_free(struct gguf_context * ctx); // does not free params.ctx; NULL is allowed

GGML_API uint32_t gguf_get_version(const struct gguf_context * ctx);
GGML_API size_t   gguf_get_alignment(const struct gguf_context * ctx);
// Returns the bytes in front of the tensor data in the file that was read; without tensors, the bytes of the
// description. Returns 0 for a context that was not read.
GGML_API size_t   gguf_get_data_offset(const struct gguf_context * ctx);

//
// kv pairs: their ids count from 0.
//

GGML_API int64_t        gguf_get_n_kv(const struct gguf_context * ctx);
GGML_API int64_t        gguf_find_key(const struct gguf_context * ctx, const char * key); // -1 if there is none
GGML_API const char *   gguf_get_key(const struct gguf_context * ctx, int64_t key_id);
GGML_API enum gguf_type gguf_get_kv_type(const struct gguf_context * ctx, int64_t key_id);
GGML_API enum gguf_type gguf_get_arr_type(const struct gguf_context * ctx, int64_t key_id); // type of the elements

GGML_API uint8_t      gguf_get_val_u8(const struct gguf_context * ctx, int64_t key_id);
GGML_API int8_t       gguf_get_val_i8(const struct gguf_context * ctx, int64_t key_id);
GGML_API uint16_t     gguf_get_val_u16(const struct gguf_context * ctx, int64_t key_id);
GGML_API int16_t      gguf_get_val_i16(const struct gguf_context * ctx, int64_t key_id);
GGML_API uint32_t     gguf_get_val_u32(const struct gguf_context * ctx, int64_t key_id);
GGML_API int32_t      gguf_get_val_i32(const struct gguf_context * ctx, int64_t key_id);
GGML_API float        gguf_get_val_f32(const struct gguf_context * ctx, int64_t key_id);
GGML_API uint64_t     gguf_get_val_u64(const struct gguf_context * ctx, int64_t key_id);
GGML_API int64_t      gguf_get_val_i64(const struct gguf_context * ctx, int64_t key_id);
GGML_API double       gguf_get_val_f64(const struct gguf_context * ctx, int64_t key_id);
GGML_API bool         gguf_get_val_bool(const struct gguf_context * ctx, int64_t key_id);
GGML_API const char * gguf_get_val_str(const struct gguf_context * ctx, int64_t key_id);
GGML_API const void * gguf_get_val_data(const struct gguf_context * ctx, int64_t key_id); // not for strings and arrays

GGML_API size_t       gguf_get_arr_n(const struct gguf_context * ctx, int64_t key_id);
GGML_API const void * gguf_get_arr_data(const struct gguf_context * ctx, int64_t key_id); // no strings; bool is int8_t
GGML_API const char * gguf_get_arr_str(const struct gguf_context * ctx, int64_t key_id, size_t i);

// Removes a pair and returns its id; -1 if there was none. Later ids move down by one. Without general.alignment the
// tensors move to multiples of 32.
GGML_API int64_t gguf_remove_key(struct gguf_context * ctx, const char * key);

// These replace the pair with this key, if any, by a new one at the end. Keys have 1 to 65535 bytes. Values are copied.
// general.alignment must be a u32 and a power of two. Changing it moves the tensors.
GGML_API void gguf_set_val_u8(struct gguf_context * ctx, const char * key, uint8_t val);
GGML_API void gguf_set_val_i8(struct gguf_context * ctx, const char * key, int8_t val);
GGML_API void gguf_set_val_u16(struct gguf_context * ctx, const char * key, uint16_t val);
GGML_API void gguf_set_val_i16(struct gguf_context * ctx, const char * key, int16_t val);
GGML_API void gguf_set_val_u32(struct gguf_context * ctx, const char * key, uint32_t val);
GGML_API void gguf_set_val_i32(struct gguf_context * ctx, const char * key, int32_t val);
GGML_API void gguf_set_val_f32(struct gguf_context * ctx, const char * key, float val);
GGML_API void gguf_set_val_u64(struct gguf_context * ctx, const char * key, uint64_t val);
GGML_API void gguf_set_val_i64(struct gguf_context * ctx, const char * key, int64_t val);
GGML_API void gguf_set_val_f64(struct gguf_context * ctx, const char * key, double val);
GGML_API void gguf_set_val_bool(struct gguf_context * ctx, const char * key, bool val);
GGML_API void gguf_set_val_str(struct gguf_context * ctx, const char * key, const char * val);
// `data` has n elements of a type that is neither string nor array. It may be NULL if n is 0.
GGML_API void gguf_set_arr_data(struct gguf_context * ctx, const char * key, enum gguf_type type, const void * data, size_t n);
GGML_API void gguf_set_arr_str(struct gguf_context * ctx, const char * key, const char ** data, size_t n);
// Sets all pairs of src in ctx.
GGML_API void gguf_set_kv(struct gguf_context * ctx, const struct gguf_context * src);

//
// Tensors: their ids count from 0. Their offsets count from the beginning of the tensor data.
//

GGML_API int64_t         gguf_get_n_tensors(const struct gguf_context * ctx);
GGML_API int64_t         gguf_find_tensor(const struct gguf_context * ctx, const char * name); // -1 if there is none
GGML_API size_t          gguf_get_tensor_offset(const struct gguf_context * ctx, int64_t tensor_id); // bytes
GGML_API const char *    gguf_get_tensor_name(const struct gguf_context * ctx, int64_t tensor_id);
GGML_API const int64_t * gguf_get_tensor_ne(const struct gguf_context * ctx, int64_t tensor_id); // GGML_MAX_DIMS sizes
GGML_API enum ggml_type  gguf_get_tensor_type(const struct gguf_context * ctx, int64_t tensor_id);
GGML_API size_t          gguf_get_tensor_size(const struct gguf_context * ctx, int64_t tensor_id); // bytes

// Adds a contiguous tensor behind the others. Its name must be new. The data is not copied: it is read when the file is
// written, from where the tensor has it now.
GGML_API void gguf_add_tensor(struct gguf_context * ctx, const struct ggml_tensor * tensor);
// Changes the type, forgets where the data is, and moves the tensors behind this one.
GGML_API void gguf_set_tensor_type(struct gguf_context * ctx, const char * name, enum ggml_type type);
// Sets where the data is: gguf_get_tensor_size bytes of host memory, which must stay until the file has been written.
GGML_API void gguf_set_tensor_data(struct gguf_context * ctx, const char * name, const void * data);

//
// Writing
//
// Everything at once:               gguf_write_to_file(ctx, fname, false)
// The description, then the data:   gguf_write_to_file(ctx, fname, true), then append
// The data, then the description:   leave gguf_get_meta_size(ctx) bytes free at the beginning of the file, append the
//                                   data, then put gguf_get_meta_data(ctx, ...) there
//

// With only_meta the data of tensors is not written. Returns false, with a line in the log, if not every byte could be
// written, or a tensor has no data that should be written. A regular file is called fname.partial until it is complete,
// and replaces the file `fname` then.
GGML_API bool gguf_write_to_file(const struct gguf_context * ctx, const char * fname, bool only_meta);
// Writes at the position of the open file, and flushes it.
GGML_API bool gguf_write_to_file_ptr(const struct gguf_context * ctx, FILE * file, bool only_meta);

// Returns the bytes of everything before the tensor data, padding included.
GGML_API size_t gguf_get_meta_size(const struct gguf_context * ctx);
// Writes everything before the tensor data. `data` must have room for gguf_get_meta_size bytes.
GGML_API void   gguf_get_meta_data(const struct gguf_context * ctx, void * data);

#ifdef __cplusplus
}
#endif
