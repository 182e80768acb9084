// OrderGraph - what must have happened before what, over several runs.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

// One thing that happens: a task, an event, a wait, or the caller reading a result.
struct Vertex {
    uint32_t run;
    plan::Lane lane;
    plan::StepKind kind;
    uint32_t index; // of the task for Do, else of the step
    plan::Lane delayed_by_waits_on;
    bool by_caller = false; // a read of the run's results; index counts these
};

// An access and where it happens. Each run's part of the ring is a place of its own.
struct VertexAccess {
    uint32_t vertex;
    uint32_t place; // the ring's part, 0 for all other memory
    plan::Access bytes;
};

class OrderGraph {
  public:
    explicit OrderGraph(const plan::Machine & machine);

    void add_run(const plan::Plan & plan);
    // The caller may now read these, on their lanes.
    void add_caller_reads(const std::vector<plan::CallerRead> & reads);
    void close(); // computes what reaches what; nothing may be added afterwards

    bool reaches(uint32_t from, uint32_t to) const { return before_[to * words_ + from / 64] >> (from % 64) & 1; }
    const std::vector<Vertex> & vertices() const { return vertices_; }
    const std::vector<VertexAccess> & accesses() const { return accesses_; }

  private:
    using Predecessors = std::vector<uint32_t>;

    uint32_t add_vertex(const Vertex & vertex, Predecessors predecessors);
    void add_to_lane(const Vertex & vertex);
    void add_task(const plan::Task & task, uint32_t index, const plan::Program & program);
    void add_accesses(const plan::Task & task, const plan::Program & program, bool writes_too);
    void add_copy(const plan::Task & task, const Vertex & vertex);
    void add_wait(const plan::Wait & wait, uint32_t step);
    void append(Predecessors & to, plan::Lane lane) const;
    Predecessors issued_on(plan::Lane lane) const;

    const plan::Machine & machine_;
    uint32_t run_ = 0;
    std::vector<Vertex> vertices_;
    std::vector<Predecessors> predecessors_;
    std::vector<VertexAccess> accesses_;
    std::vector<Predecessors> tails_; // by lane: what the lane's next step comes after
    std::map<std::tuple<plan::Lane, uint32_t, int16_t>, uint32_t> records_; // by lane, run modulo window, event
    size_t words_ = 0;                                                      // of one row of before_
    std::vector<uint64_t> before_; // one row of bits for each vertex: what comes before it
};

} // namespace ggml_sched::observe
