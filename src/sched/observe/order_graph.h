// OrderGraph - what must have happened before what, over several runs.
//
// Vertices are covered with chains, each a path of the graph, so a vertex needs to know for each chain only how much of
// it comes before: reachability in as much memory as there are vertices times chains. Lanes are nearly chains, so there
// are few.

#pragma once

#include <cstddef>
#include <cstdint>
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

    // Makes room for these runs at once; without it adding them costs more.
    void reserve(const std::vector<const plan::Plan *> & plans);
    void add_run(const plan::Plan & plan);
    // The caller may now read these, on their lanes.
    void add_caller_reads(const std::vector<plan::CallerRead> & reads);

    // A vertex added earlier, and one added later
    bool reaches(uint32_t from, uint32_t to) const { return before(to)[chain_of_[from]] > position_of_[from]; }
    // All tasks of the newest run come after this vertex; kNone if there is none.
    uint32_t begin_of_run() const { return begin_of_run_; }
    static constexpr uint32_t kNone = UINT32_MAX;
    // The newest run's
    uint32_t part_of_ring() const { return run_ % static_cast<uint32_t>(machine_.window); }

    // In the order in which they were added
    const std::vector<Vertex> & vertices() const { return vertices_; }
    const std::vector<VertexAccess> & accesses() const { return accesses_; }

  private:
    using Tail = std::vector<uint32_t>; // vertices that the next step comes after

    // A vertex is added by what it comes after, and only then known.
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
    // Adds the accesses of the newest vertex: those for which `includes` holds.
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
    std::vector<std::vector<uint32_t>> records_; // by lane and run modulo window, by event

    size_t stride_; // chains that there is room for
    // By vertex and chain: how many of the chain's vertices come before. There is room for more vertices.
    std::vector<uint32_t> before_;
    std::vector<uint32_t> lengths_; // by chain
    std::vector<uint32_t> chain_of_;
    std::vector<uint32_t> position_of_;
};

} // namespace ggml_sched::observe
