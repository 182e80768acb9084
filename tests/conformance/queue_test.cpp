// A backend is one in-order queue.

#include "conformance_test.h"

namespace conformance {

namespace {

enum class Work { Launch, Transfer, Copy };
constexpr Work all_kinds[] = {Work::Launch, Work::Transfer, Work::Copy};

const char * name_of(Work work) {
    return work == Work::Launch ? "launch" : work == Work::Transfer ? "transfer" : "copy";
}

// A queue with a vector that is written and read by work of all kinds
class Queue {
  public:
    explicit Queue(World & world)
        : world_(world)
        , backend_(world.backend())
        , content_(world.vector_on(backend_, 1.0f)) {
        world.delay(backend_);
    }

    void write(Work by, float value) {
        ggml_tensor * source = by == Work::Transfer ? nullptr : world_.vector_on(backend_, value);
        switch (by) {
        case Work::Launch: EXPECT_EQ(world_.launch_scale(backend_, source, 1.0f, content_), GGML_STATUS_SUCCESS); break;
        case Work::Transfer:
            ggml_backend_tensor_set_async(backend_, content_, world_.host_vector(value), 0, world_.bytes());
            break;
        case Work::Copy: ggml_backend_tensor_copy_async(backend_, backend_, source, content_); break;
        }
    }

    void read(Work by) {
        ggml_tensor * seen = by == Work::Transfer ? nullptr : world_.vector_on(backend_, 0.0f);
        float * fetched = by == Work::Transfer ? world_.host_vector(0.0f) : nullptr;
        switch (by) {
        case Work::Launch: EXPECT_EQ(world_.launch_scale(backend_, content_, 1.0f, seen), GGML_STATUS_SUCCESS); break;
        case Work::Transfer: ggml_backend_tensor_get_async(backend_, content_, fetched, 0, world_.bytes()); break;
        case Work::Copy: ggml_backend_tensor_copy_async(backend_, backend_, content_, seen); break;
        }
        reads_.push_back({seen, fetched});
    }

    void expect_reads(const std::vector<float> & expected) {
        ggml_backend_synchronize(backend_);
        ASSERT_EQ(reads_.size(), expected.size());
        for (size_t i = 0; i < reads_.size(); i++) {
            EXPECT_TRUE(reads_[i].seen != nullptr ? all_are(reads_[i].seen, expected[i])
                                                  : all_are(reads_[i].fetched, world_.n(), expected[i]));
        }
    }
    void expect_content(float value) { EXPECT_TRUE(all_are(content_, value)); }

  private:
    struct Read {
        ggml_tensor * seen;
        float * fetched;
    };

    World & world_;
    ggml_backend_t backend_;
    ggml_tensor * content_;
    std::vector<Read> reads_;
};

} // namespace

class QueueConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, QueueConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(QueueConformance, LaterWorkSeesWhatEarlierWorkWrote) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        world.delay(backend);
        for (int i = 0; i < 4; i++) {
            EXPECT_EQ(world.launch_scale(backend, x, 2.0f, y), GGML_STATUS_SUCCESS);
            EXPECT_EQ(world.launch_scale(backend, y, 2.0f, x), GGML_STATUS_SUCCESS);
        }
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 256.0f));
        EXPECT_TRUE(all_are(y, 128.0f));
    });
}

TEST_P(QueueConformance, NoKindOfWorkOvertakesAnother) {
    for (const Work write : all_kinds) {
        for (const Work other : all_kinds) {
            SCOPED_TRACE(std::string("writing by ") + name_of(write) + ", and " + name_of(other));
            on_each_schedule([&](World & world) {
                Queue queue(world);
                queue.write(write, 2.0f);
                queue.read(other); // after the write
                queue.write(write, 3.0f);
                queue.write(other, 4.0f); // after the write
                queue.read(other);
                queue.write(write, 5.0f); // after the read
                queue.expect_reads({2.0f, 4.0f});
                queue.expect_content(5.0f);
            });
        }
    }
}

TEST_P(QueueConformance, WorkOfAllKindsRunsInTheOrderOfTheCalls) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 0.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * copy = world.vector_on(backend, 0.0f);
        world.delay(backend);
        std::vector<const float *> seen;
        for (int round = 1; round <= 3; round++) {
            float * got = world.host_vector(-1.0f);
            ggml_backend_tensor_set_async(backend, x, world.host_vector(static_cast<float>(round)), 0, world.bytes());
            EXPECT_EQ(world.launch_scale(backend, x, 10.0f, y), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_copy_async(backend, backend, y, copy);
            ggml_backend_tensor_get_async(backend, copy, got, 0, world.bytes());
            seen.push_back(got);
        }
        ggml_backend_synchronize(backend);
        for (int round = 1; round <= 3; round++) {
            EXPECT_TRUE(all_are(seen[static_cast<size_t>(round) - 1], world.n(), 10.0f * static_cast<float>(round)));
        }
    });
}

TEST_P(QueueConformance, SynchronizeWaitsForEverything) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 3.0f);
        std::vector<ggml_tensor *> results;
        std::vector<float *> fetched;
        world.delay(backend);
        for (int i = 0; i < 8; i++) {
            results.push_back(world.vector_on(backend));
            fetched.push_back(world.host_vector(0.0f));
            EXPECT_EQ(world.launch_scale(backend, x, 2.0f, results.back()), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_get_async(backend, results.back(), fetched.back(), 0, world.bytes());
        }
        ggml_backend_synchronize(backend);
        for (size_t i = 0; i < results.size(); i++) {
            EXPECT_TRUE(all_are(results[i], 6.0f));
            EXPECT_TRUE(all_are(fetched[i], world.n(), 6.0f));
        }
    });
}

TEST_P(QueueConformance, SynchronizingAnIdleBackendReturns) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_backend_synchronize(backend);
        EXPECT_EQ(world.launch_scale(backend, world.vector_on(backend, 1.0f), 1.0f, world.vector_on(backend)),
                  GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        ggml_backend_synchronize(backend);
    });
}

TEST_P(QueueConformance, GraphComputeReturnsWhenTheGraphIsDone) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.5f);
        ggml_tensor * y = world.vector_on(backend);
        world.delay(backend);
        EXPECT_EQ(ggml_backend_graph_compute(backend, world.scale_graph(x, 2.0f, y)), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(all_are(y, 3.0f));
    });
}

TEST_P(QueueConformance, WithoutAsyncCallsReturnWhenDone) {
    if (subject().is_async()) {
        GTEST_SKIP() << subject().name << " declares caps.async";
    }
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * copy = world.vector_on(backend, 0.0f);
        float * data = world.host_vector(5.0f);

        ggml_backend_tensor_set_async(backend, x, data, 0, world.bytes());
        EXPECT_TRUE(all_are(x, 5.0f));
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, y), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(all_are(y, 10.0f));
        ggml_backend_tensor_copy_async(backend, backend, y, copy);
        EXPECT_TRUE(all_are(copy, 10.0f));
        ggml_backend_tensor_get_async(backend, copy, data, 0, world.bytes());
        EXPECT_TRUE(all_are(data, world.n(), 10.0f));
    });
}

TEST_P(QueueConformance, NodesRunInTheOrderOfTheGraph) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_cgraph * graph = ggml_new_graph_custom(world.ctx(), 64, false);
        ggml_tensor * node = x;
        for (int i = 0; i < 3; i++) { // ((1 + 1) * 2 + 1) * 2 ... in place
            node = ggml_scale_bias(world.ctx(), node, 1.0f, 1.0f);
            EXPECT_EQ(ggml_backend_tensor_alloc(x->buffer, node, x->data), GGML_STATUS_SUCCESS);
            node = ggml_scale(world.ctx(), node, 2.0f);
            EXPECT_EQ(ggml_backend_tensor_alloc(x->buffer, node, x->data), GGML_STATUS_SUCCESS);
        }
        ggml_build_forward_expand(graph, node);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 22.0f));
    });
}

TEST_P(QueueConformance, AGraphCanBeLaunchedAgainBeforeItIsDone) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_cgraph * doubles = world.scale_graph(x, 2.0f, x);
        world.delay(backend);
        for (int i = 0; i < 6; i++) {
            EXPECT_EQ(ggml_backend_graph_compute_async(backend, doubles), GGML_STATUS_SUCCESS);
        }
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 64.0f));
    });
}

// The scheduler reuses its graphs and the tensors of its copies while work is in flight.
TEST_P(QueueConformance, DescriptionsAreNotNeededAfterTheCall) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 0.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        const float * twos = world.host_vector(2.0f);
        float * fetched = world.host_vector(0.0f);
        ggml_cgraph * graph = world.scale_graph(x, 3.0f, y);
        ggml_tensor * node = ggml_graph_node(graph, 0);
        ggml_tensor set = *x;
        ggml_tensor got = *y;
        ggml_tensor copied = *y;
        ggml_tensor * z = world.vector_on(backend, 0.0f);
        world.delay(backend);
        ggml_backend_tensor_set_async(backend, &set, twos, 0, world.bytes());
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(backend, &got, fetched, 0, world.bytes());
        ggml_backend_tensor_copy_async(backend, backend, &copied, z);
        *node = {};
        set = {};
        got = {};
        copied = {};
        ggml_graph_clear(graph);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(fetched, world.n(), 6.0f));
        EXPECT_TRUE(all_are(z, 6.0f));
    });
}

TEST_P(QueueConformance, AnEmptyGraphIsComputed) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_cgraph * empty = ggml_new_graph_custom(world.ctx(), 8, false);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, empty), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
    });
}

TEST_P(QueueConformance, AGraphOfViewsComputesNothing) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 4.0f);
        ggml_tensor * view = ggml_view_1d(world.ctx(), x, world.n() / 2, 0);
        EXPECT_EQ(ggml_backend_view_init(view), GGML_STATUS_SUCCESS);
        EXPECT_EQ(ggml_backend_graph_compute(backend, world.graph_of(view)), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(all_are(x, 4.0f));
    });
}

TEST_P(QueueConformance, AViewIsReadWhereItsBytesAre) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        const int64_t half = world.n() / 2;
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * back = ggml_view_1d(world.ctx(), x, half, static_cast<size_t>(half) * sizeof(float));
        EXPECT_EQ(ggml_backend_view_init(back), GGML_STATUS_SUCCESS);
        const float * fives = world.host_vector(5.0f);
        ggml_backend_tensor_set_async(backend, back, fives, 0, ggml_nbytes(back));
        EXPECT_EQ(world.launch_scale(backend, back, 2.0f, y), GGML_STATUS_SUCCESS); // the front half of y
        ggml_backend_synchronize(backend);
        const std::vector<float> x_values = values_of(x);
        const std::vector<float> y_values = values_of(y);
        EXPECT_TRUE(all_are(x_values.data(), half, 1.0f));
        EXPECT_TRUE(all_are(x_values.data() + half, half, 5.0f));
        EXPECT_TRUE(all_are(y_values.data(), half, 10.0f));
        EXPECT_TRUE(all_are(y_values.data() + half, half, 0.0f));
    });
}

TEST_P(QueueConformance, BackendsOfOneDeviceAreIndependent) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * y = world.vector_on(b, 1.0f);
        world.delay(a);
        for (int i = 0; i < 4; i++) {
            EXPECT_EQ(world.launch_scale(a, x, 2.0f, x), GGML_STATUS_SUCCESS);
            EXPECT_EQ(world.launch_scale(b, y, 3.0f, y), GGML_STATUS_SUCCESS);
        }
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 81.0f));
        ggml_backend_synchronize(a);
        EXPECT_TRUE(all_are(x, 16.0f));
    });
}

TEST_P(QueueConformance, FreeingABackendFinishesItsWork) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 2.0f);
        ggml_tensor * y = world.vector_on(backend);
        float * fetched = world.host_vector(0.0f);
        world.delay(backend);
        EXPECT_EQ(world.launch_scale(backend, x, 4.0f, y), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(backend, y, fetched, 0, world.bytes());
        world.free_backend(backend);
        EXPECT_TRUE(all_are(fetched, world.n(), 8.0f));
        EXPECT_TRUE(all_are(y, 8.0f)); // buffers outlive the backend
    });
}

TEST_P(QueueConformance, FreeingOneBackendLeavesTheOthers) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 2.0f);
        ggml_tensor * y = world.vector_on(b);
        EXPECT_EQ(world.launch_scale(b, x, 3.0f, y), GGML_STATUS_SUCCESS);
        world.free_backend(a);
        EXPECT_EQ(world.launch_scale(b, y, 3.0f, y), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 18.0f));
    });
}

TEST_P(QueueConformance, ManyBackendsOfADeviceCanBeMadeAndFreed) {
    once([](World & world) {
        ggml_tensor * x = world.vector_in(ggml_backend_dev_buffer_type(world.subject().devices[0]), 1.0f);
        for (int i = 0; i < 20; i++) {
            const ggml_backend_t backend = world.backend();
            EXPECT_EQ(world.launch_scale(backend, x, 1.0f, x), GGML_STATUS_SUCCESS);
            world.free_backend(backend);
        }
        EXPECT_TRUE(all_are(x, 1.0f));
    });
}

} // namespace conformance
