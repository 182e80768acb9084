/* Types, conversions, names, the log, time. */

#include <string.h>

#include "capi.h"

static int n_logged = 0;

static void count_line(enum ggml_log_level level, const char * text, void * user_data) {
    (void) level;
    (void) text;
    ++*(int *) user_data;
}

static void check_traits(void) {
    const struct ggml_type_traits * traits = ggml_get_type_traits(GGML_TYPE_Q8_0);
    float values[32];
    float back[32];
    unsigned char block[64];
    for (int i = 0; i < 32; i++) {
        values[i] = (float) (i - 16);
    }
    CHECK(traits != NULL && traits->blck_size == 32 && traits->type_size == 34 && traits->is_quantized);
    traits->from_float_ref(values, block, 32);
    traits->to_float(block, back, 32);
    CHECK(back[0] < -15.9f && back[0] > -16.1f && back[16] == 0.0f);
    CHECK(ggml_get_type_traits((enum ggml_type) 4) == NULL);

    CHECK(ggml_blck_size(GGML_TYPE_Q4_0) == 32 && ggml_type_size(GGML_TYPE_Q4_0) == 18);
    CHECK(ggml_row_size(GGML_TYPE_Q4_0, 64) == 36);
    CHECK(capi_same_text(ggml_type_name(GGML_TYPE_F32), "f32"));
    CHECK(ggml_is_quantized(GGML_TYPE_Q4_0) && !ggml_is_quantized(GGML_TYPE_F16));
    CHECK(ggml_quantize_chunk(GGML_TYPE_Q8_0, values, block, 0, 1, 32, NULL) == 34);
}

static void check_halves(void) {
    const float values[3] = {1.0f, -2.5f, 0.0f};
    float back[3];
    ggml_fp16_t halves[3];
    ggml_bf16_t brains[3];
    CHECK(ggml_fp32_to_fp16(1.0f) == 0x3c00);
    CHECK(ggml_fp16_to_fp32(0xc100) == -2.5f);
    CHECK(ggml_fp32_to_bf16(1.0f).bits == 0x3f80);
    CHECK(ggml_bf16_to_fp32(ggml_fp32_to_bf16(-2.5f)) == -2.5f);
    ggml_fp32_to_fp16_row(values, halves, 3);
    ggml_fp16_to_fp32_row(halves, back, 3);
    CHECK(memcmp(values, back, sizeof(values)) == 0);
    ggml_fp32_to_bf16_row(values, brains, 3);
    ggml_bf16_to_fp32_row(brains, back, 3);
    CHECK(memcmp(values, back, sizeof(values)) == 0);
}

static void check_names(void) {
    CHECK(capi_same_text(ggml_op_name(GGML_OP_MUL_MAT), "MUL_MAT"));
    CHECK(capi_same_text(ggml_op_symbol(GGML_OP_ADD), "x+y"));
    CHECK(capi_same_text(ggml_unary_op_name(GGML_UNARY_OP_SILU), "SILU"));
    CHECK(capi_same_text(ggml_glu_op_name(GGML_GLU_OP_SWIGLU), "SWIGLU"));
    CHECK(strlen(ggml_status_to_string(GGML_STATUS_ALLOC_FAILED)) > 0);
}

static void check_log_and_time(void) {
    ggml_log_callback callback = NULL;
    void * user_data = NULL;
    ggml_log_set(count_line, &n_logged);
    ggml_log_get(&callback, &user_data);
    CHECK(callback == count_line && user_data == &n_logged);
    CHECK(ggml_new_tensor_1d(NULL, GGML_TYPE_F32, 1) == NULL);
    ggml_log_set(NULL, NULL);
    CHECK(n_logged > 0);

    ggml_time_init();
    CHECK(ggml_time_us() / 1000 <= ggml_time_ms() + 1000);

    /* It ends the process, so it is only looked at. */
    void (*volatile abort_function)(const char *, int, const char *, ...) = ggml_abort;
    CHECK(abort_function != NULL);
    GGML_ASSERT(abort_function != NULL);
}

void capi_test_types(void) {
    check_traits();
    check_halves();
    check_names();
    check_log_and_time();
}
