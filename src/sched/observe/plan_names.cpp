#include "observe/plan_names.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// Returns which part of a tensor is copied; "" if all is.
std::string part_of(const CopyBinding & copy, const Lowered & lowered) {
    switch (copy.form) {
    case CopyForm::Promoted: return "experts that get an entry";
    case CopyForm::Admitted: return "missing experts that get an entry";
    case CopyForm::FromBank: return "experts that have an entry";
    default: break;
    }
    std::string part = copy.ids == kNoBinding ? "" : std::string("by ids of ") + lowered.copies[copy.ids].src->name;
    if (copy.residency) {
        part += std::string(part.empty() ? "" : ", ") + "without experts that have an entry";
    }
    return part;
}

} // namespace

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
    names.copies.reserve(lowered.copies.size());
    names.others.reserve(lowered.copies.size());
    names.parts.reserve(lowered.copies.size());
    names.banks.reserve(lowered.copies.size());
    names.splits.reserve(splits.splits.size());
    for (const CopyBinding & copy : lowered.copies) {
        if (copy.copy != kNoBinding) {
            names.inputs[copy.copy] = copy.dst->name;
        }
        names.copies.push_back(copy.dst->name);
        names.others.push_back(copy.n_merged - 1);
        names.parts.push_back(part_of(copy, lowered));
        names.banks.push_back(copy.bank != nullptr);
    }
    for (const Split & split : splits.splits) {
        names.splits.push_back(backends[split.backend].name);
    }
    return names;
}

} // namespace ggml_sched
