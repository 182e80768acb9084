#include "observe/lost_inputs.h"

#include <algorithm>

namespace ggml_sched {

namespace {

using plan::Access;
using plan::Task;
using plan::TaskKind;

// Kept - bytes of a copy that must stay until its split is launched
struct Kept {
    Access bytes;
    uint32_t copy;    // index into Splits::copies
    uint32_t binding; // index into Lowered::copies
};

// Search - goes through the tasks in their order, and remembers which bytes must stay.
class Search {
  public:
    Search(const Lowered & lowered, const Splits & splits)
        : lowered_(lowered)
        , splits_(splits) {}

    std::string run() {
        for (const Task & task : lowered_.program.tasks) {
            if (std::string wrong = check_ring(task); !wrong.empty()) {
                return wrong;
            }
            if (task.kind == TaskKind::Launch) {
                release(task); // The launch may overwrite its own inputs.
            }
            if (const Kept * lost = find_overwritten(task)) {
                return "'" + name_of(*lost) + "' has been copied for a split, and before that is launched, " +
                       name_of(task) + " overwrites it";
            }
            if (is_copy(task.kind) && copy_of(task) != kNoBinding) {
                keep(task);
            }
        }
        return "";
    }

  private:
    uint32_t copy_of(const Task & task) const { return lowered_.copies[task.binding].copy; }
    std::string name_of(const Kept & kept) const { return lowered_.copies[kept.binding].dst->name; }
    std::string name_of(const Task & task) const {
        return task.kind == TaskKind::Launch
                   ? "split " + std::to_string(task.binding)
                   : std::string("the copy of '") + lowered_.copies[task.binding].src->name + "'";
    }

    // Visits the copies whose bytes a task takes out of the ring.
    template <typename Visit> void for_each_ring_read(const Task & task, Visit visit) const {
        if (task.kind != TaskKind::SetAsync && task.kind != TaskKind::SetNow) {
            return;
        }
        const CopyBinding & first = lowered_.copies[task.binding];
        for (uint32_t i = 0; i < first.n_merged && first.via_ring; i++) {
            visit(lowered_.copies[task.binding + i]);
        }
        if (first.ids != kNoBinding && lowered_.copies[first.ids].via_ring) {
            visit(lowered_.copies[first.ids]);
        }
    }

    // Returns "" if the task finds in the ring what it takes there, else what is wrong.
    std::string check_ring(const Task & task) {
        const bool moves = is_copy(task.kind) || task.kind == TaskKind::Snapshot;
        if (moves && writes_ring(task.kind, lowered_.copies[task.binding])) {
            in_ring_.push_back(&lowered_.copies[task.binding]);
            if (end_in_ring(*in_ring_.back()) > lowered_.ring_bytes) {
                return name_of(task) + " goes beyond the end of the ring";
            }
        }
        std::string wrong;
        for_each_ring_read(task, [&](const CopyBinding & copy) {
            if (copy.bytes == 0) {
                return; // A copy of no bytes overlaps nothing.
            }
            const auto last = std::find_if(in_ring_.rbegin(), in_ring_.rend(), [&](const CopyBinding * other) {
                return other->ring_offset < end_in_ring(copy) && copy.ring_offset < end_in_ring(*other);
            });
            const bool is_there = last != in_ring_.rend() && (*last)->tensor == copy.tensor &&
                                  (*last)->ring_offset == copy.ring_offset && (*last)->bytes >= copy.bytes;
            wrong = is_there ? wrong : std::string("'") + copy.src->name + "' is not in the ring when it is copied";
        });
        return wrong;
    }
    static size_t end_in_ring(const CopyBinding & copy) { return copy.ring_offset + copy.bytes; }

    // Visits the bytes that a task writes outside of the ring.
    template <typename Visit> void for_each_write(const Task & task, Visit visit) const {
        for (uint32_t i = 0; i < task.n_accesses; i++) {
            const Access & access = lowered_.program.accesses[task.first_access + i];
            if (access.write && access.space != plan::kRing) {
                visit(access);
            }
        }
    }

    // Returns a kept copy that the task overwrites; NULL if there is none. A copy that is sent in parts may overwrite
    // its own bytes.
    const Kept * find_overwritten(const Task & task) const {
        const bool moves = is_copy(task.kind) || task.kind == TaskKind::Snapshot;
        const uint32_t own = moves ? copy_of(task) : kNoBinding;
        const Kept * found = nullptr;
        for_each_write(task, [&](const Access & access) {
            const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const Kept & kept) {
                return kept.copy != own && overlap(kept.bytes, access);
            });
            found = at != kept_.end() ? &*at : found;
        });
        return found;
    }

    void keep(const Task & task) {
        for_each_write(task, [&](const Access & access) { kept_.push_back({access, copy_of(task), task.binding}); });
    }

    void release(const Task & launch) {
        const std::vector<uint32_t> & inputs = splits_.splits[launch.binding].inputs;
        const auto is_input = [&](const Kept & kept) {
            return std::find(inputs.begin(), inputs.end(), kept.copy) != inputs.end();
        };
        kept_.erase(std::remove_if(kept_.begin(), kept_.end(), is_input), kept_.end());
    }

    const Lowered & lowered_;
    const Splits & splits_;
    std::vector<Kept> kept_;
    std::vector<const CopyBinding *> in_ring_; // copies in the ring, in the order in which they were put there
};

} // namespace

std::string find_lost_input(const Lowered & lowered, const Splits & splits) {
    return Search(lowered, splits).run();
}

} // namespace ggml_sched
