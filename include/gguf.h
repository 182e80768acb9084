// gguf.h - reading and writing GGUF files: named values ("kv pairs") and tensors. Names, signatures and meaning are
// ggml's.
//
// The format, versions 2 and 3, all numbers in the byte order of the machine (little-endian on all common ones):
//   "GGUF", version u32, number of tensors u64, number of kv pairs u64
//   kv pairs:  key, type u32, value; an array is its element type u32, its length u64, its elements; no nesting
//   tensors:   name, number of dimensions u32, that many u64, ggml_type u32, offset u64 in the data
//   zeros up to a multiple of the alignment (kv pair general.alignment, a u32, or 32), then the data: the tensors in
//   order, each padded with zeros to a multiple of the alignment
//   A string is its length u64 and its bytes; a bool is a byte, 0 or 1.
//
// Errors
//   Nothing here aborts. A file is not trusted: whatever is wrong with it gives NULL and one line in the log that names
//   the file and the mistake, and no more memory is used than the file's own size justifies. A getter that is asked for
//   an id that does not exist, or for another type than the value has, logs an error and returns 0, NULL or "" (a type:
//   GGUF_TYPE_COUNT or GGML_TYPE_COUNT). A setter that cannot do what it is asked logs an error and changes nothing.
//
// Ownership
//   A gguf_context owns names, kv pairs and the description of tensors; what getters point to is valid until the next
//   change of the context. It never owns the data of tensors.
//
// Threading
//   A gguf_context belongs to one thread at a time; any number may read one that nobody changes.

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

// "u8", "i8", ..., "str", "arr"; NULL outside.
GGML_API const char * gguf_type_name(enum gguf_type type);

struct gguf_context;

//
// Reading
//

struct gguf_init_params {
    bool no_alloc;

    // If not NULL, receives a new context with the file's tensors, in order, which the caller frees; NULL on failure.
    // With no_alloc the tensors have no data, and what follows the description of the tensors is not read: it may
    // even be missing (see gguf_write_to_file). Otherwise the data is loaded into the context: as a tensor without a
    // name, before the others, which point into it.
    struct ggml_context ** ctx;
};

// Reads up to len bytes at offset into output and returns how many; fewer than len means the end, or an error.
typedef size_t (*gguf_reader_callback_t)(void * userdata, void * output, uint64_t offset, size_t len);

GGML_API struct gguf_context * gguf_init_empty(void); // NULL when memory runs out
// Only regular files.
GGML_API struct gguf_context * gguf_init_from_file(const char * fname, struct gguf_init_params params);
// From the current position to the end; leaves the position anywhere.
GGML_API struct gguf_context * gguf_init_from_file_ptr(FILE * file, struct gguf_init_params params);
// Copies what it needs out of data.
GGML_API struct gguf_context * gguf_init_from_buffer(const void * data, size_t size, struct gguf_init_params params);
// max_chunk_read: at most so many bytes a call, 0 means any number. max_expected_size: an upper bound of the size.
GGML_API struct gguf_context * gguf_init_from_callback(gguf_reader_callback_t callback, void * userdata, size_t max_chunk_read,
                                                       uint64_t max_expected_size, struct gguf_init_params params);
GGML_API void                  gguf_free(struct gguf_context * ctx); // not params.ctx; NULL is allowed

GGML_API uint32_t gguf_get_version(const struct gguf_context * ctx);
GGML_API size_t   gguf_get_alignment(const struct gguf_context * ctx);
// Bytes from the beginning of the file that was read to its tensor data (with no tensors: to the end of the description);
// 0 for a context that was not read.
GGML_API size_t   gguf_get_data_offset(const struct gguf_context * ctx);

//
// kv pairs: ids count from 0
//

GGML_API int64_t        gguf_get_n_kv(const struct gguf_context * ctx);
GGML_API int64_t        gguf_find_key(const struct gguf_context * ctx, const char * key); // -1 if there is none
GGML_API const char *   gguf_get_key(const struct gguf_context * ctx, int64_t key_id);
GGML_API enum gguf_type gguf_get_kv_type(const struct gguf_context * ctx, int64_t key_id);
GGML_API enum gguf_type gguf_get_arr_type(const struct gguf_context * ctx, int64_t key_id); // of the elements

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
GGML_API const void * gguf_get_val_data(const struct gguf_context * ctx, int64_t key_id); // no strings, no arrays

GGML_API size_t       gguf_get_arr_n(const struct gguf_context * ctx, int64_t key_id);
GGML_API const void * gguf_get_arr_data(const struct gguf_context * ctx, int64_t key_id); // no strings; bools are int8_t
GGML_API const char * gguf_get_arr_str(const struct gguf_context * ctx, int64_t key_id, size_t i);

// The id that key had, -1 if there was none; later ids move down by one.
GGML_API int64_t gguf_remove_key(struct gguf_context * ctx, const char * key);

// Each replaces the pair with this key, if any, by a new one at the end. Keys have 1 to 65535 bytes. Values are copied.
// general.alignment must be a u32 and a power of two; changing it moves the tensors.
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
// n elements of a type that is neither string nor array; data may be NULL if n is 0.
GGML_API void gguf_set_arr_data(struct gguf_context * ctx, const char * key, enum gguf_type type, const void * data, size_t n);
GGML_API void gguf_set_arr_str(struct gguf_context * ctx, const char * key, const char ** data, size_t n);
// Sets all pairs of src in ctx.
GGML_API void gguf_set_kv(struct gguf_context * ctx, const struct gguf_context * src);

//
// Tensors: ids count from 0
//

GGML_API int64_t         gguf_get_n_tensors(const struct gguf_context * ctx);
GGML_API int64_t         gguf_find_tensor(const struct gguf_context * ctx, const char * name); // -1 if there is none
GGML_API size_t          gguf_get_tensor_offset(const struct gguf_context * ctx, int64_t tensor_id); // bytes in the data
GGML_API const char *    gguf_get_tensor_name(const struct gguf_context * ctx, int64_t tensor_id);
GGML_API const int64_t * gguf_get_tensor_ne(const struct gguf_context * ctx, int64_t tensor_id); // GGML_MAX_DIMS numbers
GGML_API enum ggml_type  gguf_get_tensor_type(const struct gguf_context * ctx, int64_t tensor_id);
GGML_API size_t          gguf_get_tensor_size(const struct gguf_context * ctx, int64_t tensor_id); // bytes

// Adds a contiguous tensor with a name that no other has, behind the others. The data is not copied but read when the
// file is written, from where the tensor has it now.
GGML_API void gguf_add_tensor(struct gguf_context * ctx, const struct ggml_tensor * tensor);
// Forgets where the data is, and moves the tensors behind this one.
GGML_API void gguf_set_tensor_type(struct gguf_context * ctx, const char * name, enum ggml_type type);
// data: gguf_get_tensor_size bytes of host memory, to stay until the file has been written.
GGML_API void gguf_set_tensor_data(struct gguf_context * ctx, const char * name, const void * data);

//
// Writing
//
// Everything at once:               gguf_write_to_file(ctx, fname, false)
// The description, then the data:   gguf_write_to_file(ctx, fname, true), then append
// The data, then the description:   leave gguf_get_meta_size(ctx) bytes free at the beginning of the file, append the
//                                   data, then put gguf_get_meta_data(ctx, ...) there
//

// False, and a line in the log, if a tensor has no data (unless only_meta) or not every byte could be written. A regular
// file takes its name only when complete: until then it is called fname.partial, and what fname was before stays.
GGML_API bool gguf_write_to_file(const struct gguf_context * ctx, const char * fname, bool only_meta);
// At the current position; flushed.
GGML_API bool gguf_write_to_file_ptr(const struct gguf_context * ctx, FILE * file, bool only_meta);

// Bytes of everything before the tensor data, padding included
GGML_API size_t gguf_get_meta_size(const struct gguf_context * ctx);
// data has room for gguf_get_meta_size bytes.
GGML_API void   gguf_get_meta_data(const struct gguf_context * ctx, void * data);

#ifdef __cplusplus
}
#endif
