#include "plan/cells.h"

#include <algorithm>

namespace ggml_sched::plan {

namespace {

Use use_of(const Cell & cell, const Clock & done) {
    Use use;
    if (cell.written && cell.writer.lane != kHost && !done.knows(cell.writer.lane, cell.writer.position)) {
        use.written = true;
        use.writer = cell.writer;
    }
    for (int lane = 1; lane < kMaxLanes; lane++) {
        const Toucher reader = {static_cast<Lane>(lane), cell.read_at[lane]};
        if (reader.position != kNever && !done.knows(reader.lane, reader.position)) {
            use.readers.push_back(reader);
        }
    }
    return use;
}

} // namespace

Cell::Cell(Space space, uint64_t begin, uint64_t end)
    : space(space)
    , begin(begin)
    , end(end) {
    read_at.fill(kNever);
    reader_task.fill(kEarlierRun);
}

void Cell::read(Toucher toucher, int32_t task) {
    read_at[toucher.lane] = toucher.position;
    reader_task[toucher.lane] = task;
}

void Cell::write(Toucher toucher, int32_t task) {
    written = true;
    writer = toucher;
    writer_task = task;
    read_at.fill(kNever);
}

Cells::Cells(const std::vector<Access> & accesses, const History & history) {
    std::vector<Cut> cuts;
    cuts.reserve(2 * (accesses.size() + history.accesses.size()));
    for (const Access & access : accesses) {
        cuts.push_back({access.space, access.begin});
        cuts.push_back({access.space, access.end});
    }
    for (const PastAccess & access : history.accesses) {
        cuts.push_back({access.space, access.begin});
        cuts.push_back({access.space, access.end});
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());

    cells_.reserve(cuts.size());
    starts_.reserve(cuts.size());
    for (size_t i = 1; i < cuts.size(); i++) {
        if (cuts[i - 1].space == cuts[i].space) {
            cells_.emplace_back(cuts[i].space, cuts[i - 1].at, cuts[i].at);
            starts_.push_back(cuts[i - 1]);
        }
    }
    ranges_.reserve(accesses.size());
    for (const Access & access : accesses) {
        ranges_.push_back(find(access.space, access.begin, access.end));
    }
    fill_from(history);
}

Cells::Range Cells::find(Space space, uint64_t begin, uint64_t end) const {
    const auto first = std::lower_bound(starts_.begin(), starts_.end(), Cut{space, begin});
    auto last = first;
    while (last != starts_.end() && last->space == space && last->at < end) {
        ++last;
    }
    return {static_cast<uint32_t>(first - starts_.begin()), static_cast<uint32_t>(last - starts_.begin())};
}

void Cells::fill_from(const History & history) {
    for (const PastAccess & access : history.accesses) {
        const Range range = find(access.space, access.begin, access.end);
        for (uint32_t i = range.first; i < range.last; i++) {
            if (access.use.written) {
                cells_[i].write(access.use.writer, kEarlierRun);
            }
            for (const Toucher & reader : access.use.readers) {
                cells_[i].read(reader, kEarlierRun);
            }
        }
    }
}

std::vector<PastAccess> Cells::past(const Clock & done) const {
    std::vector<PastAccess> result;
    for (const Cell & cell : cells_) {
        if (cell.space == kRing) {
            continue;
        }
        Use use = use_of(cell, done);
        if (use.empty()) {
            continue;
        }
        if (!result.empty() && result.back().space == cell.space && result.back().end == cell.begin &&
            result.back().use == use) {
            result.back().end = cell.end;
        } else {
            result.push_back({cell.space, cell.begin, cell.end, std::move(use)});
        }
    }
    return result;
}

} // namespace ggml_sched::plan
