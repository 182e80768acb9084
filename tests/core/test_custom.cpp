// The builder of GGML_OP_CUSTOM.

#include "core_test.h"

#include <vector>

using namespace core_test;

namespace {

void do_nothing(ggml_tensor *, int, int, void *) {}

} // namespace

class Custom : public CoreTest {
  protected:
    ggml_tensor * build(std::vector<ggml_tensor *> args, int n_tasks = 1, ggml_custom_op_t fun = do_nothing) {
        return ggml_custom_4d(ctx, GGML_TYPE_F16, 2, 3, 4, 5, args.data(), static_cast<int>(args.size()), fun, n_tasks,
                              &user_);
    }

    int user_ = 0;
};

TEST_F(Custom, KeepsItsFunctionAndOperands) {
    ggml_tensor * a = of(GGML_TYPE_I8, 7);
    ggml_tensor * b = ggml_transpose(ctx, f32(4, 3));
    const std::vector<ggml_tensor *> most(GGML_MAX_SRC - 1, a);
    for (const auto & args : {std::vector<ggml_tensor *>{}, {a}, {a, b, a}, most}) {
        for (const int n_tasks : {GGML_N_TASKS_MAX, 1, 9}) {
            ggml_tensor * t = build(args, n_tasks);
            expect_op(t, GGML_OP_CUSTOM, {args.begin(), args.end()});
            EXPECT_EQ(t->type, GGML_TYPE_F16);
            EXPECT_EQ(shape_of(t), (Shape{2, 3, 4, 5}));
            EXPECT_EQ(t->view_src, nullptr);
            ggml_custom_op_params params;
            std::memcpy(&params, t->op_params, sizeof(params));
            EXPECT_EQ(params.fun, do_nothing);
            EXPECT_EQ(params.n_tasks, n_tasks);
            EXPECT_EQ(params.userdata, &user_);
        }
    }
    EXPECT_NE(ggml_custom_4d(ctx, GGML_TYPE_F32, 0, 1, 1, 1, nullptr, 0, do_nothing, 1, nullptr), nullptr);
}

// The scheduler compares op_params byte by byte.
TEST_F(Custom, EqualArgumentsGiveEqualParameters) {
    const ggml_tensor * first = build({});
    const ggml_tensor * second = build({f32(3)});
    EXPECT_EQ(std::memcmp(first->op_params, second->op_params, sizeof(first->op_params)), 0);
    EXPECT_NE(std::memcmp(first->op_params, build({}, 2)->op_params, sizeof(first->op_params)), 0);
}

TEST_F(Custom, RefusesWhatItCannotCall) {
    ggml_tensor * a = f32(3);
    for (const int n_tasks : {0, -2, INT32_MIN}) {
        expect_refused([&] { return build({a}, n_tasks); });
    }
    expect_refused([&] { return build({a}, 1, nullptr); });
    expect_refused([&] { return build(std::vector<ggml_tensor *>(GGML_MAX_SRC, a)); });
    expect_refused([&] { return build({a, nullptr}); });
    const auto with = [&](ggml_context * context, ggml_type type, int64_t ne0, ggml_tensor ** args, int n_args) {
        return ggml_custom_4d(context, type, ne0, 1, 1, 1, args, n_args, do_nothing, 1, nullptr);
    };
    expect_refused([&] { return with(nullptr, GGML_TYPE_F32, 4, &a, 1); });
    expect_refused([&] { return with(ctx, GGML_TYPE_F32, 4, nullptr, 1); });
    expect_refused([&] { return with(ctx, GGML_TYPE_F32, 4, &a, -1); });
    expect_refused([&] { return with(ctx, GGML_TYPE_F32, -4, &a, 1); });
    expect_refused([&] { return with(ctx, GGML_TYPE_Q8_0, 4, &a, 1); });
    expect_refused([&] { return with(ctx, GGML_TYPE_COUNT, 4, &a, 1); });
}
