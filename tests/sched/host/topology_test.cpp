// topology: the lanes of backends, and what the planner knows of them.

#include <gtest/gtest.h>

#include "host/topology.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

// On a streaming lane the record also submits the copies in front of it.
TEST(Topology, PutsOffRecordsOnLanesOfDevicesThatKeepThemButNotOnStreamingLanes) {
    const BackendPtr device(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const BackendPtr cpu(ggml_backend_cpu_init());
    std::vector<host::Backend> backends;
    for (const BackendPtr * backend : {&device, &cpu}) {
        backends.push_back(host::describe(backend->get(), ggml_backend_get_default_buffer_type(backend->get())));
    }
    const Topology topology = topology_of(backends);
    const plan::Lane lane = topology.lane_of[0];
    const plan::Lane stream = topology.stream_of[0];
    ASSERT_NE(stream, plan::kHost);
    for (const bool keeps_records : {false, true}) {
        backends[0].keeps_records = keeps_records;
        const plan::Machine machine = machine_of(backends, topology, 1);
        EXPECT_EQ(machine.puts_off_records[lane], keeps_records);
        EXPECT_FALSE(machine.puts_off_records[stream]);
    }
}

} // namespace
} // namespace ggml_sched::test
