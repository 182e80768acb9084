/* Reading and writing GGUF. */

#include "gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capi.h"

struct region {
    const unsigned char * data;
    size_t size;
};

static size_t read_region(void * userdata, void * output, uint64_t offset, size_t len) {
    const struct region * region = userdata;
    if (offset >= region->size) {
        return 0;
    }
    const size_t left = region->size - (size_t) offset;
    const size_t n = len < left ? len : left;
    memcpy(output, region->data + offset, n);
    return n;
}

static void set_values(struct gguf_context * gguf) {
    const char * words[2] = {"one", "two"};
    const uint16_t numbers[3] = {1, 2, 3};
    gguf_set_val_u8(gguf, "u8", 1);
    gguf_set_val_i8(gguf, "i8", -1);
    gguf_set_val_u16(gguf, "u16", 2);
    gguf_set_val_i16(gguf, "i16", -2);
    gguf_set_val_u32(gguf, "u32", 3);
    gguf_set_val_i32(gguf, "i32", -3);
    gguf_set_val_u64(gguf, "u64", 4);
    gguf_set_val_i64(gguf, "i64", -4);
    gguf_set_val_f32(gguf, "f32", 0.5f);
    gguf_set_val_f64(gguf, "f64", 0.25);
    gguf_set_val_bool(gguf, "bool", true);
    gguf_set_val_str(gguf, "str", "text");
    gguf_set_arr_data(gguf, "numbers", GGUF_TYPE_UINT16, numbers, 3);
    gguf_set_arr_str(gguf, "words", words, 2);
    gguf_set_val_bool(gguf, "extra", true);
    CHECK(gguf_remove_key(gguf, "extra") == 14);
}

static void check_values(const struct gguf_context * gguf) {
    CHECK(gguf_get_version(gguf) == GGUF_VERSION && gguf_get_alignment(gguf) == GGUF_DEFAULT_ALIGNMENT);
    CHECK(gguf_get_n_kv(gguf) == 14 && capi_same_text(gguf_get_key(gguf, 0), "u8"));
    CHECK(gguf_get_kv_type(gguf, 0) == GGUF_TYPE_UINT8 && capi_same_text(gguf_type_name(GGUF_TYPE_UINT8), "u8"));
    CHECK(gguf_get_val_u8(gguf, gguf_find_key(gguf, "u8")) == 1);
    CHECK(gguf_get_val_i8(gguf, gguf_find_key(gguf, "i8")) == -1);
    CHECK(gguf_get_val_u16(gguf, gguf_find_key(gguf, "u16")) == 2);
    CHECK(gguf_get_val_i16(gguf, gguf_find_key(gguf, "i16")) == -2);
    CHECK(gguf_get_val_u32(gguf, gguf_find_key(gguf, "u32")) == 3);
    CHECK(gguf_get_val_i32(gguf, gguf_find_key(gguf, "i32")) == -3);
    CHECK(gguf_get_val_u64(gguf, gguf_find_key(gguf, "u64")) == 4);
    CHECK(gguf_get_val_i64(gguf, gguf_find_key(gguf, "i64")) == -4);
    CHECK(gguf_get_val_f32(gguf, gguf_find_key(gguf, "f32")) == 0.5f);
    CHECK(gguf_get_val_f64(gguf, gguf_find_key(gguf, "f64")) == 0.25);
    CHECK(gguf_get_val_bool(gguf, gguf_find_key(gguf, "bool")));
    CHECK(capi_same_text(gguf_get_val_str(gguf, gguf_find_key(gguf, "str")), "text"));
    CHECK(*(const uint32_t *) gguf_get_val_data(gguf, gguf_find_key(gguf, "u32")) == 3);
    const int64_t numbers = gguf_find_key(gguf, "numbers");
    CHECK(gguf_get_arr_type(gguf, numbers) == GGUF_TYPE_UINT16 && gguf_get_arr_n(gguf, numbers) == 3);
    CHECK(((const uint16_t *) gguf_get_arr_data(gguf, numbers))[2] == 3);
    CHECK(capi_same_text(gguf_get_arr_str(gguf, gguf_find_key(gguf, "words"), 1), "two"));
}

static void check_tensors(struct gguf_context * gguf, struct ggml_context * tensors) {
    CHECK(gguf != NULL && tensors != NULL);
    if (gguf != NULL && tensors != NULL) {
        check_values(gguf);
        CHECK(gguf_get_n_tensors(gguf) == 2 && gguf_find_tensor(gguf, "w") == 1);
        CHECK(capi_same_text(gguf_get_tensor_name(gguf, 1), "w") && gguf_get_tensor_type(gguf, 1) == GGML_TYPE_F32);
        CHECK(gguf_get_tensor_ne(gguf, 1)[0] == 4 && gguf_get_tensor_size(gguf, 1) == 16);
        CHECK(gguf_get_tensor_offset(gguf, 1) == 32);
        CHECK(gguf_get_data_offset(gguf) == gguf_get_meta_size(gguf));
        CHECK(ggml_get_data_f32(ggml_get_tensor(tensors, "w"))[3] == 4.0f);
        CHECK(((const uint16_t *) ggml_get_data(ggml_get_tensor(tensors, "h")))[1] == 0x3c00);
    }
    gguf_free(gguf);
    ggml_free(tensors);
}

/* Reads what has been written to file in every way. */
static void check_reading(FILE * file) {
    struct ggml_context * tensors = NULL;
    struct gguf_init_params params = {.no_alloc = false, .ctx = &tensors};
    unsigned char bytes[4096];
    rewind(file);
    const struct region region = {bytes, fread(bytes, 1, sizeof(bytes), file)};
    rewind(file);

    struct gguf_context * gguf = gguf_init_from_file_ptr(file, params);
    check_tensors(gguf, tensors);
    gguf = gguf_init_from_buffer(region.data, region.size, params);
    check_tensors(gguf, tensors);
    gguf = gguf_init_from_callback(read_region, (void *) &region, 16, region.size, params);
    check_tensors(gguf, tensors);
    gguf = gguf_init_from_file("no-such-file.gguf", params);
    CHECK(gguf == NULL && tensors == NULL);
}

void capi_test_gguf(void) {
    const struct ggml_init_params params = {.mem_size = 8192, .mem_buffer = NULL, .no_alloc = false};
    struct ggml_context * ctx = ggml_init(params);
    struct ggml_tensor * h = ggml_set_name(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 2), "h");
    struct ggml_tensor * w = ggml_set_name(ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4), "w");
    const uint16_t halves[2] = {0x4000, 0x3c00};
    for (int i = 0; i < 4; i++) {
        ggml_get_data_f32(w)[i] = (float) (i + 1);
    }
    struct gguf_context * values = gguf_init_empty();
    struct gguf_context * gguf = gguf_init_empty();
    set_values(values);
    gguf_set_kv(gguf, values);
    gguf_add_tensor(gguf, h);
    gguf_add_tensor(gguf, w);
    gguf_set_tensor_type(gguf, "h", GGML_TYPE_F16);
    gguf_set_tensor_data(gguf, "h", halves);

    FILE * file = tmpfile();
    CHECK(file != NULL && gguf_write_to_file_ptr(gguf, file, false));
    check_reading(file);

    const size_t size = gguf_get_meta_size(gguf);
    unsigned char * meta = malloc(size);
    unsigned char * written = malloc(size);
    gguf_get_meta_data(gguf, meta);
    rewind(file);
    CHECK(fread(written, 1, size, file) == size && memcmp(meta, written, size) == 0);
    CHECK(!gguf_write_to_file(gguf, "no-such-directory/model.gguf", true));
    free(meta);
    free(written);
    fclose(file);
    gguf_free(values);
    gguf_free(gguf);
    ggml_free(ctx);
}
