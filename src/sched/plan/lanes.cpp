#include "plan/lanes.h"

#include <algorithm>

namespace ggml_sched::plan {

Lanes::Lanes(const Machine & machine, const History & history)
    : machine_(machine)
    , known_(history.known)
    , old_points_(history.points)
    , last_(machine.n_lanes, 0)
    , issued_(machine.n_lanes)
    , n_events_(machine.n_lanes, 0) {
    known_.resize(machine.n_lanes);
    old_points_.resize(machine.n_lanes);
    for (int lane = 0; lane < machine.n_lanes; lane++) {
        known_[lane].at[lane] = 0;
        if (history.empty()) {
            known_[kHost].at[lane] = 0;
        }
    }
}

VectorClock Lanes::known_to(Lane lane) const {
    VectorClock known = known_[lane];
    known.join(known_[kHost]);
    return known;
}

Position Lanes::issue(Lane lane, int32_t task, const VectorClock & start) {
    const Position position = ++last_[lane];
    known_[lane].join(start);
    known_[lane].at[lane] = position;
    issued_[lane].push_back({task, kWholeLane, known_[lane]});
    return position;
}

const Point * Lanes::old_point(Lane lane, Position position) const {
    for (const Point & point : old_points_[lane]) {
        if (point.position >= position && point.event != kWholeLane) {
            return &point;
        }
    }
    return nullptr;
}

bool Lanes::must_drain(Lane target, Position position) const {
    return position > 0 ? !machine_.events[target] : !old_point(target, position);
}

VectorClock Lanes::known_by_waiting(Lane target, Position position) const {
    if (must_drain(target, position)) {
        return known_[target];
    }
    if (position > 0) {
        return known_at(target, position);
    }
    return old_point(target, position)->known;
}

bool Lanes::host_must_wait(Lane waiter, Lane target) const {
    return waiter == kHost || !machine_.events[target] || !machine_.reaches[target][waiter];
}

void Lanes::wait(Lane waiter, Lane target, Position position, const Reason & reason, std::vector<Wait> & waits) {
    if (must_drain(target, position)) {
        drain(target, reason, waits);
        return;
    }
    Wait wait = {host_must_wait(waiter, target) ? kHost : waiter, target, 0, kWholeLane, reason};
    if (position > 0) {
        wait.event = record_after(target, position);
        issued_[target][static_cast<size_t>(position) - 1].is_waited_for = true;
    } else {
        const Point * point = old_point(target, position);
        wait.age = point->age;
        wait.event = point->event;
    }
    waits.push_back(wait);
    teach(wait.waiter, known_by_waiting(target, position));
}

void Lanes::drain(Lane target, const Reason & reason, std::vector<Wait> & waits) {
    waits.push_back({kHost, target, 0, kWholeLane, reason});
    teach(kHost, known_[target]);
}

void Lanes::learn_from_drains(const std::vector<Wait> & waits) {
    for (const Wait & wait : waits) {
        if (wait.waiter == kHost && wait.event == kWholeLane) {
            teach(kHost, known_[wait.target]);
        }
    }
}

int16_t Lanes::record_after(Lane lane, Position position) {
    int16_t & event = issued_[lane][static_cast<size_t>(position) - 1].event;
    if (event == kWholeLane) {
        event = n_events_[lane]++;
    }
    return event;
}

int16_t Lanes::recorded_event(Lane lane, Position position) const {
    return at(lane, position).event;
}

std::vector<Point> Lanes::points_after(Lane lane, bool has_events) const {
    std::vector<Point> points;
    for (Point point : old_points_[lane]) {
        if (!known_[kHost].knows(lane, point.position)) {
            point.age++;
            points.push_back(point);
        }
    }
    for (Position position = 1; position <= last_[lane]; position++) {
        const bool is_last = position == last_[lane];
        const int16_t event = recorded_event(lane, position);
        const bool can_wait = has_events ? event != kWholeLane : is_last;
        if (can_wait && !known_[kHost].knows(lane, position)) {
            points.push_back({position, 1, event, known_at(lane, position)});
        }
    }
    return points;
}

// All positions older than those in flight become kNever. This lets the histories of repeated runs become equal.
VectorClock Lanes::shifted(const VectorClock & clock, const VectorClock & oldest) const {
    VectorClock result;
    for (int lane = 1; lane < machine_.n_lanes; lane++) {
        if (clock.at[lane] != kNever && oldest.at[lane] != kNever && clock.at[lane] >= oldest.at[lane]) {
            result.at[lane] = clock.at[lane] - last_[lane];
        }
    }
    return result;
}

static void note_oldest(VectorClock & oldest, Lane lane, Position position) {
    Position & at = oldest.at[lane];
    at = at == kNever ? position : std::min(at, position);
}

void Lanes::leave(const Machine & machine, const std::vector<PastAccess> & accesses, History & next) const {
    VectorClock oldest;
    next.points.resize(machine.n_lanes);
    for (int i = 1; i < machine.n_lanes; i++) {
        const Lane lane = static_cast<Lane>(i);
        next.points[lane] = points_after(lane, machine.events[lane]);
        for (const Point & point : next.points[lane]) {
            note_oldest(oldest, lane, point.position);
        }
    }
    for (const PastAccess & access : accesses) {
        if (access.use.written) {
            note_oldest(oldest, access.use.writer.lane, access.use.writer.position);
        }
        for (const LaneAccess & reader : access.use.readers) {
            note_oldest(oldest, reader.lane, reader.position);
        }
    }

    for (int i = 1; i < machine.n_lanes; i++) {
        for (Point & point : next.points[i]) {
            point.known = shifted(point.known, oldest);
            point.position -= last_[i];
        }
    }
    next.accesses = accesses;
    for (PastAccess & access : next.accesses) {
        access.use.writer.position -= access.use.written ? last_[access.use.writer.lane] : 0;
        for (LaneAccess & reader : access.use.readers) {
            reader.position -= last_[reader.lane];
        }
    }
    for (const VectorClock & clock : known_) {
        next.known.push_back(shifted(clock, oldest));
    }
}

} // namespace ggml_sched::plan
