#include "bug.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ggml_sched::test {

namespace {

constexpr uint64_t kSeeds = 24; // adversaries; 0 is the laziest

Outcome play(const Bug & bug, uint64_t seed, RuleSet off, bool verify) {
    RigOptions options = bug.options;
    options.seed = seed;
    Rig rig(options);
    switch_off(rig, off);
    ggml_sched_set_verify(rig.sched(), verify);
    return bug.play(rig);
}

} // namespace

ggml_tensor * Job::input(const char * name, int64_t n) {
    ggml_tensor * tensor = ggml_new_tensor_1d(ctx(), GGML_TYPE_F32, n);
    ggml_set_name(tensor, name);
    ggml_set_input(tensor);
    return tensor;
}

ggml_tensor * Job::lasting(const char * name, ggml_backend_t backend, float value, int64_t n) {
    lasting_contexts_.push_back(make_context(2));
    ggml_tensor * tensor = ggml_new_tensor_1d(lasting_contexts_.back().get(), GGML_TYPE_F32, n);
    ggml_set_name(tensor, name);
    lasting_buffers_.emplace_back(ggml_backend_alloc_ctx_tensors(lasting_contexts_.back().get(), backend));
    write_floats(tensor, std::vector<float>(static_cast<size_t>(n), value));
    return tensor;
}

ggml_tensor * Job::node(const char * name, ggml_backend_t backend, ggml_tensor * tensor) {
    ggml_set_name(tensor, name);
    ggml_backend_sched_set_tensor_backend(rig_.sched(), tensor, backend);
    ggml_build_forward_expand(graph_, tensor);
    return tensor;
}

ggml_tensor * Job::output(const char * name, ggml_backend_t backend, ggml_tensor * tensor) {
    ggml_set_output(tensor);
    return node(name, backend, tensor);
}

void Job::reserve() {
    ASSERT_TRUE(ggml_backend_sched_reserve(rig_.sched(), graph_)) << ggml_sched_get_error(rig_.sched());
}

void Job::allocate() {
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph_)) << ggml_sched_get_error(rig_.sched());
    is_allocated_ = true;
}

void Job::write(ggml_tensor * input, float value) {
    if (!is_allocated_) {
        allocate();
    }
    write_floats(input, std::vector<float>(static_cast<size_t>(ggml_nelements(input)), value));
}

bool Job::run() {
    const uint64_t launches = rig_.stats().launches;
    const LogCapture log; // refusals and violations are looked at by other means
    if (ggml_backend_sched_graph_compute_async(rig_.sched(), graph_) == GGML_STATUS_SUCCESS) {
        return true;
    }
    outcome_.error = ggml_sched_get_error(rig_.sched());
    outcome_.launched_by_failed_run = rig_.stats().launches - launches;
    return false;
}

Outcome Job::run_with(ggml_tensor * input, std::initializer_list<float> values, Between between,
                      const std::function<void(float value)> & expect) {
    for (const float value : values) {
        write(input, value);
        if (!run()) {
            break;
        }
        expect(value);
        if (between == Between::Synchronize) {
            ggml_backend_sched_synchronize(rig_.sched());
        }
    }
    return finish();
}

void Job::expect(ggml_tensor * result, float value) {
    const auto n = static_cast<size_t>(ggml_nelements(result));
    pending_.push_back({result->name, std::make_unique<std::vector<float>>(n), value});
    ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(rig_.sched(), result), result,
                                  pending_.back().got->data(), 0, n * sizeof(float));
}

Outcome Job::finish() {
    ggml_backend_sched_synchronize(rig_.sched());
    for (size_t i = 0; i < pending_.size(); i++) {
        const Pending & pending = pending_[i];
        const auto odd = std::find_if(pending.got->begin(), pending.got->end(),
                                      [&](float value) { return value != pending.expected; });
        if (odd != pending.got->end()) {
            fail("result " + std::to_string(i) + ", '" + pending.name + "', is " + std::to_string(*odd) +
                 " instead of " + std::to_string(pending.expected));
        }
    }
    return outcome_;
}

Bug on_devices(const std::string & name, std::initializer_list<ggml_sim_profile> devices,
               const std::function<Outcome(Rig &)> & play) {
    RigOptions options;
    options.devices = devices;
    return {name, options, play};
}

std::vector<Bug> on_one_device(const std::string & name, std::initializer_list<ggml_sim_profile> profiles,
                               const std::function<Outcome(Rig &)> & play) {
    std::vector<Bug> result;
    for (const ggml_sim_profile profile : profiles) {
        result.push_back(on_devices(name + ", " + ggml_sim_profile_name(profile), {profile}, play));
    }
    return result;
}

void switch_off(const Rig & rig, RuleSet off) {
    change_hooks(rig.sched(), [&](TestHooks & hooks) {
        for (const plan::Rule rule : off) {
            hooks.rules.switch_off(rule);
        }
    });
}

void expect_right(const std::vector<Bug> & bugs, RuleSet off) {
    for (const Bug & bug : bugs) {
        for (uint64_t seed = 0; seed < kSeeds; seed++) {
            const Outcome outcome = play(bug, seed, off, off.size() == 0);
            EXPECT_EQ(outcome.wrong, "") << bug.name << ", seed " << seed;
            EXPECT_EQ(outcome.error, "") << bug.name << ", seed " << seed;
        }
    }
}

void expect_wrong(const std::vector<Bug> & bugs, RuleSet off) {
    for (const Bug & bug : bugs) {
        bool is_wrong = false;
        for (uint64_t seed = 0; seed < kSeeds && !is_wrong; seed++) {
            const Outcome outcome = play(bug, seed, off, false);
            ASSERT_EQ(outcome.error, "") << bug.name << ", seed " << seed;
            is_wrong = !outcome.wrong.empty();
        }
        EXPECT_TRUE(is_wrong) << bug.name << ": right for all " << kSeeds << " seeds, although the rule is off";
    }
}

void expect_refused(const std::vector<Bug> & bugs, RuleSet off, const std::string & hazard) {
    for (const Bug & bug : bugs) {
        const Outcome outcome = play(bug, 0, off, true);
        EXPECT_NE(outcome.error.find("the plan does not order everything: " + hazard), std::string::npos)
            << bug.name << ": the verifier said '" << outcome.error << "'";
        // No tensor lies in the ring, space 1, through which snapshots pass.
        EXPECT_TRUE(outcome.error.find(", which touches '") != std::string::npos ||
                    outcome.error.find("of space 1;") != std::string::npos)
            << bug.name << ": no tensors are named in '" << outcome.error << "'";
        EXPECT_EQ(outcome.launched_by_failed_run, 0u) << bug.name;
    }
}

} // namespace ggml_sched::test
