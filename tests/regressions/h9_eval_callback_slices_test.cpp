// H9: an eval callback slices a split, or stops it half-way: users of importance matrices look at every matrix product.
// What the callback is shown must have been computed, and a stopped run must leave nothing behind that disturbs the
// next.

#include <gtest/gtest.h>

#include "bug.h"

namespace ggml_sched::test {
namespace {

// Looks at every node; each is one more than the one before. Reads as a caller does who trusts the callback: it does
// not synchronize.
struct Watcher {
    float expected;
    int stop_after = -1;
    int seen = 0;
    std::string wrong;

    static bool call(ggml_tensor * tensor, bool ask, void * self) {
        return ask || static_cast<Watcher *>(self)->look(tensor);
    }

    bool look(const ggml_tensor * tensor) {
        expected += 1.0f;
        float value = 0.0f;
        ggml_backend_tensor_get(tensor, &value, 0, sizeof(value));
        if (value != expected && wrong.empty()) {
            wrong = std::string(tensor->name) + " was " + std::to_string(value) + " when it was shown, instead of " +
                    std::to_string(expected);
        }
        return seen++ != stop_after;
    }
};

Outcome watched(Rig & rig) {
    Job job(rig);
    ggml_tensor * input = job.input("tokens");
    ggml_tensor * value = input;
    for (int i = 0; i < 6; i++) {
        const std::string name = "node " + std::to_string(i);
        ggml_backend_t where = i < 4 ? rig.device(0) : rig.cpu();
        value = job.output(name.c_str(), where, ggml_scale_bias(job.ctx(), value, 1.0f, 1.0f));
    }
    float start = 1.0f;
    for (const int stop_after : {-1, 2, -1, 0, -1}) {
        Watcher watcher = {start, stop_after, 0, {}};
        ggml_backend_sched_set_eval_callback(rig.sched(), Watcher::call, &watcher);
        job.write(input, start);
        const bool finished = job.run();
        ggml_backend_sched_set_eval_callback(rig.sched(), nullptr, nullptr);
        if (!watcher.wrong.empty()) {
            job.fail(watcher.wrong);
        } else if (finished != (stop_after < 0)) {
            job.fail("stopping after " + std::to_string(stop_after) + " did not work");
        }
        if (finished) {
            job.expect(value, start + 6.0f);
        }
        ggml_backend_sched_synchronize(rig.sched());
        start += 10.0f;
    }
    Outcome outcome = job.finish();
    if (outcome.error.find("the eval callback stopped the run") != std::string::npos) {
        outcome.error.clear(); // no error here
    }
    return outcome;
}

std::vector<Bug> bugs() {
    return on_one_device(
        "watched", {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_UMA},
        watched);
}

TEST(EvalCallbackSlices, AreRight) {
    expect_right(bugs());
}

TEST(EvalCallbackSlices, AreSeenWithoutTheRule) {
    expect_wrong(bugs(), {plan::Rule::ObservedSlices});
}

TEST(EvalCallbackSlices, AreRefusedWithoutTheRule) {
    expect_refused(bugs(), {plan::Rule::ObservedSlices}, "read-after-write");
}

} // namespace
} // namespace ggml_sched::test
