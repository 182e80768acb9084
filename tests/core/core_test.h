// core_test.h - a context and a captured log for tests of the core. One thread.

#pragma once

#include "ggml-impl.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace core_test {

// Collects the library's log while it lives.
class LogCapture {
  public:
    LogCapture() {
        ggml_log_get(&previous_, &previous_data_);
        ggml_log_set(collect, this);
    }
    ~LogCapture() { ggml_log_set(previous_, previous_data_); }
    LogCapture(const LogCapture &) = delete;
    LogCapture & operator=(const LogCapture &) = delete;

    std::vector<std::string> errors;
    std::vector<std::string> others;

  private:
    static void collect(ggml_log_level level, const char * text, void * self) {
        auto * log = static_cast<LogCapture *>(self);
        (level == GGML_LOG_LEVEL_ERROR ? log->errors : log->others).emplace_back(text);
    }

    ggml_log_callback previous_ = nullptr;
    void * previous_data_ = nullptr;
};

using Shape = std::array<int64_t, 4>;
using Strides = std::array<size_t, 4>;

inline Shape shape_of(const ggml_tensor * t) {
    return {t->ne[0], t->ne[1], t->ne[2], t->ne[3]};
}

inline Strides strides_of(const ggml_tensor * t) {
    return {t->nb[0], t->nb[1], t->nb[2], t->nb[3]};
}

inline float float_param(const ggml_tensor * t, int i) {
    float value;
    std::memcpy(&value, &t->op_params[i], sizeof(value));
    return value;
}

class CoreTest : public testing::Test {
  protected:
    CoreTest()
        : ctx(ggml_init({1 << 20, nullptr, true})) {}
    ~CoreTest() override { ggml_free(ctx); }

    ggml_tensor * f32(int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1, int64_t ne3 = 1) {
        return ggml_new_tensor_4d(ctx, GGML_TYPE_F32, ne0, ne1, ne2, ne3);
    }
    ggml_tensor * of(ggml_type type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1, int64_t ne3 = 1) {
        return ggml_new_tensor_4d(ctx, type, ne0, ne1, ne2, ne3);
    }

    // Runs build and expects NULL, one line in the log that ends in a newline, and an unchanged context.
    template <typename Build> void expect_refused(Build build, const char * what = "") {
        const size_t used = ggml_used_mem(ctx);
        LogCapture log;
        EXPECT_EQ(build(), nullptr) << what;
        ASSERT_EQ(log.errors.size(), 1u) << what;
        EXPECT_EQ(log.errors[0].back(), '\n') << what;
        EXPECT_EQ(log.errors[0].find('\n'), log.errors[0].size() - 1) << what;
        EXPECT_EQ(ggml_used_mem(ctx), used) << what;
    }

    ggml_context * ctx;
};

// Checks operation and sources.
inline void expect_op(const ggml_tensor * t, ggml_op op, const std::vector<const ggml_tensor *> & sources) {
    ASSERT_NE(t, nullptr);
    EXPECT_EQ(t->op, op);
    for (size_t i = 0; i < GGML_MAX_SRC; i++) {
        EXPECT_EQ(t->src[i], i < sources.size() ? sources[i] : nullptr) << "source " << i;
    }
}

} // namespace core_test
