// Lanes - the state of all lanes while a run is being planned: who knows what, and which points can be waited for.

#pragma once

#include <vector>

#include "plan/history.h"
#include "plan/plan.h"

namespace ggml_sched::plan {

class Lanes {
  public:
    Lanes(const Machine & machine, const History & history);

    // What a task on this lane can rely on when it is issued now. It includes what the host knows.
    VectorClock known_to(Lane lane) const;
    const VectorClock & known_to_host() const { return known_[kHost]; }

    // The lane's next task is `task`, which starts with `start` known. Returns its position.
    Position issue(Lane lane, int32_t task, const VectorClock & start);
    // From now on the lane's tasks know this too.
    void teach(Lane lane, const VectorClock & known) { known_[lane].join(known); }

    Position last(Lane lane) const { return last_[lane]; }
    int32_t task_at(Lane lane, Position position) const { return at(lane, position).task; }
    const std::vector<Point> & old_points(Lane lane) const { return old_points_[lane]; }

    // What is complete when this task of this run is done and the lane has come to it.
    const VectorClock & known_at(Lane lane, Position position) const { return at(lane, position).after; }
    // What is complete when a wait for this position is over. The point that it uses may lie behind the position.
    VectorClock known_by_waiting(Lane target, Position position) const;
    // A wait of this lane for that one blocks the host.
    bool host_must_wait(Lane waiter, Lane target) const;

    // Adds the wait to `waits`, and the knowledge to the waiter. Picks the cheapest way.
    void wait(Lane waiter, Lane target, Position position, const Reason & reason, std::vector<Wait> & waits);
    // The host waits for all of a lane.
    void drain(Lane target, const Reason & reason, std::vector<Wait> & waits);
    // Of waits that are made together those of devices come first: the host then has waited for what these wait for,
    // too.
    void learn_from_drains(const std::vector<Wait> & waits);

    // The event that is recorded after the position's task, counted by lane; the lane must have events.
    int16_t record_after(Lane lane, Position position);
    int16_t recorded_event(Lane lane, Position position) const; // kWholeLane if none
    int16_t n_events(Lane lane) const { return n_events_[lane]; }

    // The state after the run, positions shifted as the next run counts them.
    void leave(const Machine & machine, const std::vector<PastAccess> & accesses, History & next) const;

  private:
    struct Issued {
        int32_t task;
        int16_t event;
        VectorClock after; // known when the task is done
    };
    const Issued & at(Lane lane, Position position) const { return issued_[lane][static_cast<size_t>(position) - 1]; }

    const Point * old_point(Lane lane, Position position) const;
    bool must_drain(Lane target, Position position) const;
    VectorClock shifted(const VectorClock & clock, const VectorClock & oldest) const;
    std::vector<Point> points_after(Lane lane, bool has_events) const;

    const Machine & machine_;
    std::vector<VectorClock> known_;             // by lane
    std::vector<std::vector<Point>> old_points_; // by lane, of earlier runs
    std::vector<Position> last_;                 // by lane
    std::vector<std::vector<Issued>> issued_;    // by lane, at position - 1
    std::vector<int16_t> n_events_;
};

} // namespace ggml_sched::plan
