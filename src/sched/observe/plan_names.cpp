#include "observe/plan_names.h"

#include <algorithm>

namespace ggml_sched {

observe::Names names_of(const Lowered & lowered, const Splits & splits, const std::vector<host::Backend> & backends,
                        const Topology & topology) {
    observe::Names names;
    const auto name_lane = [&](plan::Lane lane, const std::string & name) {
        names.lanes.resize(std::max<size_t>(names.lanes.size(), lane + size_t{1}));
        names.lanes[lane] = name;
    };
    for (size_t b = 0; b < backends.size(); b++) {
        name_lane(topology.lane_of[b], backends[b].name);
        name_lane(topology.stream_of[b], backends[b].name + " stream");
    }
    name_lane(plan::kHost, "host"); // Backends without a lane, and those without streaming, have named it, too.
    names.inputs.resize(splits.copies.size());
    for (const CopyBinding & copy : lowered.copies) {
        if (copy.copy != kNoBinding) {
            names.inputs[copy.copy] = copy.dst->name;
        }
        names.copies.push_back(copy.dst->name);
        names.others.push_back(copy.n_merged - 1);
        names.ids.push_back(copy.ids == kNoBinding ? "" : lowered.copies[copy.ids].src->name);
    }
    for (const Split & split : splits.splits) {
        names.splits.push_back(backends[split.backend].name);
    }
    return names;
}

} // namespace ggml_sched
