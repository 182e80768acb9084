// Seeds: what they may change (races) and what not (anything that is ordered).

#include "sim_fixture.h"

#include <cmath>
#include <set>

class SimAdversary : public SimTest {
  protected:
    // Two queues write the same vector, unordered, many times; who was last each time is the outcome.
    std::vector<float> race(uint64_t seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        ggml_backend_t q[2] = {backend(0), backend(0)};
        ggml_tensor * one = vector_on(q[0], 1.0f);
        ggml_tensor * target = vector_on(q[0], 0.0f);
        ggml_backend_sim_set_seed(seed);
        std::vector<float> outcome;
        for (int i = 0; i < 20; i++) {
            launch_scale(q[0], one, 2.0f, target);
            launch_scale(q[1], one, 3.0f, target);
            outcome.push_back(first(target));
            ggml_backend_synchronize(q[i % 2]);
            outcome.push_back(first(target));
        }
        ggml_backend_sim_set_seed(0);
        free_backend(q[0]);
        free_backend(q[1]);
        for (float & x : outcome) {
            x = std::isnan(x) ? -1.0f : x;
        }
        return outcome;
    }

    // A value goes around three devices `laps` times through copies into one slot each; `protect` adds the event
    // that the copies need because they run on the source's queue (hazard H2).
    float relay(uint64_t seed, int laps, bool protect) {
        ggml_backend_t q[3] = {backend(0), backend(1), backend(2)};
        ggml_tensor * slot[3];
        ggml_tensor * result[3];
        ggml_backend_event_t consumed[3];
        for (int i = 0; i < 3; i++) {
            slot[i] = vector_on(q[i], 1.0f);
            result[i] = vector_on(q[i]);
            consumed[i] = event_of(i);
        }
        ggml_tensor * sum = vector_on(q[2], 0.0f);
        ggml_tensor * host = pinned_vector(0, 0.0f);
        ggml_backend_sim_set_seed(seed);
        for (int lap = 0; lap < laps; lap++) {
            fill(host, (float) lap);
            ggml_backend_tensor_set_async(q[0], slot[0], host->data, 0, ggml_nbytes(host));
            for (int i = 0; i < 3; i++) {
                launch_scale(q[i], slot[i], 2.0f, result[i]);
                ggml_backend_event_record(consumed[i], q[i]);
                if (i < 2) {
                    if (protect) {
                        ggml_backend_event_wait(q[i], consumed[i + 1]);
                    }
                    ggml_backend_tensor_copy_async(q[i], q[i + 1], result[i], slot[i + 1]);
                }
            }
            ggml_tensor * node = ggml_add(ctx(), sum, result[2]);
            node->buffer = sum->buffer;
            node->data = sum->data;
            EXPECT_EQ(ggml_backend_graph_compute_async(q[2], graph_of(node)), GGML_STATUS_SUCCESS);
            ggml_backend_synchronize(q[0]); // before host is written again; device 0 runs ahead of 1 and 2
        }
        ggml_backend_synchronize(q[2]);
        const float outcome = first(sum);
        ggml_backend_sim_set_seed(0);
        for (int i = 0; i < 3; i++) {
            ggml_backend_synchronize(q[i]);
            free_event(consumed[i]);
            free_buffer_of(slot[i]);
            free_buffer_of(result[i]);
        }
        for (ggml_backend_t backend : q) {
            free_backend(backend);
        }
        return outcome;
    }
};

TEST_F(SimAdversary, TheSameSeedShowsTheSameAgain) {
    for (uint64_t seed = 0; seed < 64; seed++) {
        EXPECT_EQ(race(seed), race(seed)) << "seed " << seed;
    }
}

TEST_F(SimAdversary, SeedsDisagreeAboutARace) {
    std::set<std::vector<float>> outcomes;
    for (uint64_t seed = 0; seed < 64; seed++) {
        outcomes.insert(race(seed));
    }
    EXPECT_GT(outcomes.size(), 32u);
}

TEST_F(SimAdversary, NoSeedChangesWhatIsOrdered) {
    constexpr int laps = 10;
    for (uint64_t seed = 0; seed < 200; seed++) {
        EXPECT_EQ(relay(seed, laps, true), 8.0f * 45) << "seed " << seed;
    }
}

TEST_F(SimAdversary, ShowsASlotOverwrittenWhileItIsRead) {
    int wrong = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        wrong += relay(seed, 10, false) != 8.0f * 45 ? 1 : 0;
    }
    EXPECT_GT(wrong, 25);
    EXPECT_NE(relay(0, 10, false), 8.0f * 45); // the laziest finds this one
}

TEST_F(SimAdversary, SomeQueuesRunFarAheadOfOthers) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_tensor * in[2] = {vector_on(q[0], 1.0f), vector_on(q[1], 1.0f)};
    bool ahead[2] = {false, false};
    for (uint64_t seed = 1; seed < 100; seed++) {
        ggml_tensor * out[2] = {vector_on(q[0]), vector_on(q[1])};
        ggml_backend_sim_set_seed(seed);
        ggml_tensor * first_out[2] = {vector_on(q[0]), vector_on(q[1])};
        for (int i = 0; i < 2; i++) {
            launch_scale(q[i], in[i], 1.0f, first_out[i]);
        }
        for (int step = 0; step < 10; step++) {
            for (int i = 0; i < 2; i++) {
                launch_scale(q[i], in[i], 1.0f, out[i]);
            }
        }
        for (int i = 0; i < 2; i++) {
            ahead[i] = ahead[i] || (!is_garbage(out[i]) && is_garbage(first_out[1 - i]));
        }
        ggml_backend_sim_set_seed(0);
        ggml_backend_synchronize(q[0]);
        ggml_backend_synchronize(q[1]);
        for (int i = 0; i < 2; i++) {
            free_buffer_of(out[i]);
            free_buffer_of(first_out[i]);
        }
    }
    EXPECT_TRUE(ahead[0] && ahead[1]);
}

TEST_F(SimAdversary, AMissingWaitBetweenAWriterAndAReaderShows) {
    int wrong = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        ggml_backend_t writer = backend(0);
        ggml_backend_t reader = backend(0);
        ggml_tensor * one = vector_on(writer, 1.0f);
        ggml_tensor * between = vector_on(writer);
        ggml_tensor * out = vector_on(writer);
        ggml_backend_sim_set_seed(seed);
        launch_scale(writer, one, 2.0f, between);
        launch_scale(reader, between, 2.0f, out);
        ggml_backend_synchronize(reader);
        wrong += first(out) != 4.0f ? 1 : 0;
        if (seed == 0) {
            EXPECT_TRUE(is_garbage(out));
        }
        ggml_backend_sim_set_seed(0);
        free_backend(writer);
        free_backend(reader);
    }
    EXPECT_GT(wrong, 10);
}
