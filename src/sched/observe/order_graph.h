// OrderGraph - which step must come before which, over several runs. A vertex is one thing that happens. An edge is an
// order that the contract of ggml-backend.h promises.
//
// Each vertex belongs to a chain, which is a path of the graph. So a vertex only has to know how much of each chain
// comes before it. This takes as much memory as there are vertices times chains. Lanes are nearly chains, so that there
// are few.
//
// The graph owns its vertices, and copies all that it needs of a plan. One thread at a time uses it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

// Vertex - one thing that happens: a task, an event, a wait, or the caller reading a result
struct Vertex {
    uint32_t run; // number of the run from 1; 0 for reads before the first run
    plan::Lane lane;
    plan::StepKind kind;
    uint32_t index;                 // index of the task for Do, else of the step
    plan::Lane delayed_by_waits_on; // lane that has to wait so that the vertex comes later
    bool by_caller = false;         // true if the caller reads a result of the run; `index` counts these reads
};

// VertexAccess - an access, and the vertex that makes it. Each run's part of the ring is a place of its own.
struct VertexAccess {
    uint32_t vertex;
    uint32_t place; // part of the ring, 0 for all other memory
    plan::Access bytes;
};

class OrderGraph {
  public:
    // `machine` must stay.
    explicit OrderGraph(const plan::Machine & machine);

    // Makes room for these runs at once, which makes it faster to add them.
    void reserve(const std::vector<const plan::Plan *> & plans);
    // Adds the steps of a run, behind those of the runs before.
    void add_run(const plan::Plan & plan);
    // Adds results that the caller may read from now on, on their lanes.
    void add_caller_reads(const std::vector<plan::CallerRead> & reads);

    // Returns true if vertex `from` comes before vertex `to`, which was added later.
    bool reaches(uint32_t from, uint32_t to) const { return before(to)[chain_of_[from]] > position_of_[from]; }
    // Returns a vertex before all tasks of the newest run; kNone if there is none.
    uint32_t begin_of_run() const { return begin_of_run_; }
    static constexpr uint32_t kNone = UINT32_MAX;
    // Returns the part of the ring that the newest run uses.
    uint32_t part_of_ring() const { return run_ % static_cast<uint32_t>(machine_.window); }

    // Return all vertices and all accesses, in the order in which they were added.
    const std::vector<Vertex> & vertices() const { return vertices_; }
    const std::vector<VertexAccess> & accesses() const { return accesses_; }

  private:
    // Tail - the vertices that the next step of a lane comes after
    using Tail = std::vector<uint32_t>;

    // begin_vertex() begins a vertex, comes_after_...() say what comes before it, and end_vertex() adds it.
    void begin_vertex();
    void comes_after_vertex(uint32_t earlier);
    void comes_after(plan::Lane lane) {
        for (const uint32_t tail : tails_[lane]) {
            comes_after_vertex(tail);
        }
    }
    void comes_after_issue_on(plan::Lane lane);
    uint32_t end_vertex(const Vertex & vertex);
    void choose_chain(uint32_t id);
    void add_to_lane(const Vertex & vertex);
    void add_task(const plan::Task & task, uint32_t index, const plan::Program & program);
    // Gives the newest vertex the accesses of the task for which `includes` returns true.
    using Includes = bool (*)(const plan::Task & task, const plan::Access & access);
    void add_accesses(const plan::Task & task, const plan::Program & program, Includes includes);
    void add_copy(const plan::Task & task, const Vertex & vertex);
    void add_wait(const plan::Wait & wait, uint32_t step);
    uint32_t & record_of(plan::Lane lane, uint32_t part, int16_t event);

    const uint32_t * before(uint32_t id) const { return before_.data() + id * stride_; }
    uint32_t * before(uint32_t id) { return before_.data() + id * stride_; }
    void widen();

    const plan::Machine & machine_;
    uint32_t run_ = 0;
    uint32_t begin_of_run_ = kNone;
    std::vector<Vertex> vertices_;
    std::vector<VertexAccess> accesses_;
    std::vector<Tail> tails_;                    // by lane
    std::vector<std::vector<uint32_t>> records_; // by lane and run modulo window, by event: the vertex that records it

    size_t stride_; // number of chains that a row of before_ has room for
    // By vertex and chain: how many vertices of the chain come before the vertex. There may be more rows than vertices.
    std::vector<uint32_t> before_;
    std::vector<uint32_t> lengths_;     // by chain: how many vertices it has
    std::vector<uint32_t> chain_of_;    // by vertex
    std::vector<uint32_t> position_of_; // by vertex: its position in its chain
};

} // namespace ggml_sched::observe
