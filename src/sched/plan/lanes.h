// Lanes - the state of all lanes while a run is planned. For each lane it holds a VectorClock: what is complete for
// the next task there. It also holds the points that can be waited for, and the events that the run will record.
//
// The planner owns it for one run. The Machine must outlive it.

#pragma once

#include <vector>

#include "plan/history.h"
#include "plan/plan.h"

namespace ggml_sched::plan {

// Lanes - the clocks, points and events of all lanes while one run is planned.
class Lanes {
  public:
    // Begins a run in the state that the history describes.
    Lanes(const Machine & machine, const History & history);

    // Returns what is complete for a task that is issued on this lane now. This includes all that the host knows.
    VectorClock known_to(Lane lane) const;
    const VectorClock & known_to_host() const { return known_[kHost]; }

    // Makes `task` the next task of the lane, and returns its position. `start` is what is complete when it starts.
    Position issue(Lane lane, int32_t task, const VectorClock & start);
    // Adds `known` to what is complete for the next tasks of the lane.
    void teach(Lane lane, const VectorClock & known) { known_[lane].join(known); }

    // Returns the position of the last task that was issued on the lane; 0 if there is none.
    Position last(Lane lane) const { return last_[lane]; }
    int32_t task_at(Lane lane, Position position) const { return at(lane, position).task; }
    // Returns the points of earlier runs on this lane.
    const std::vector<Point> & old_points(Lane lane) const { return old_points_[lane]; }

    // Returns what is complete when the lane has done the task at this position of this run.
    const VectorClock & known_at(Lane lane, Position position) const { return at(lane, position).after; }
    // Returns what is complete after a wait for this position. The wait may use a point behind the position.
    VectorClock known_by_waiting(Lane target, Position position) const;
    // True if the host must block so that `waiter` can wait for `target`.
    bool host_must_wait(Lane waiter, Lane target) const;

    // Adds the cheapest wait to `waits`, and teaches the waiter what is complete after it.
    void wait(Lane waiter, Lane target, Position position, const Reason & reason, std::vector<Wait> & waits);
    // Makes the host wait for all that is queued on the lane.
    void drain(Lane target, const Reason & reason, std::vector<Wait> & waits);
    // Teaches the host what the drained lanes know by now. In one group of waits those of devices are made first, so
    // that a drain covers what they wait for.
    void learn_from_drains(const std::vector<Wait> & waits);

    // Makes the lane record an event after this position, and returns its number. The lane must have events.
    int16_t record_after(Lane lane, Position position);
    int16_t recorded_event(Lane lane, Position position) const; // kWholeLane if none
    // True if a wait of this run is for the event after this position.
    bool is_waited_for(Lane lane, Position position) const { return at(lane, position).is_waited_for; }
    // Returns how many events the run records on the lane.
    int16_t n_events(Lane lane) const { return n_events_[lane]; }

    // Writes the state after the run to `next`, with positions as the next run counts them.
    void leave(const Machine & machine, const std::vector<PastAccess> & accesses, History & next) const;

  private:
    // Issued - a task of this run.
    struct Issued {
        int32_t task;
        int16_t event;     // recorded after the task; kWholeLane if none is
        VectorClock after; // what is complete when the task is done
        bool is_waited_for = false;
    };
    const Issued & at(Lane lane, Position position) const { return issued_[lane][static_cast<size_t>(position) - 1]; }

    // Returns the first point of an earlier run with an event, at this position or behind it; NULL if there is none.
    const Point * old_point(Lane lane, Position position) const;
    // True if no event can be waited for: the host must wait for the whole lane.
    bool must_drain(Lane target, Position position) const;
    // Returns the clock as the next run counts it. Positions before `oldest` become kNever.
    VectorClock shifted(const VectorClock & clock, const VectorClock & oldest) const;
    // Returns the points of the lane that later runs may have to wait for.
    std::vector<Point> points_after(Lane lane, bool has_events) const;

    const Machine & machine_;
    std::vector<VectorClock> known_;             // by lane
    std::vector<std::vector<Point>> old_points_; // by lane, of earlier runs
    std::vector<Position> last_;                 // by lane, of this run
    std::vector<std::vector<Issued>> issued_;    // by lane, at position - 1
    std::vector<int16_t> n_events_;              // by lane
};

} // namespace ggml_sched::plan
