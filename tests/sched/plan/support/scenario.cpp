#include "support/scenario.h"

#include <algorithm>
#include <random>

#include "property.h"
#include "support/build.h"
#include "support/smaller.h"

namespace plan_test {

using plan::Access;
using plan::CopyOrder;
using plan::Lane;
using plan::Mode;
using plan::Program;
using plan::Task;
using plan::TaskKind;

namespace {

class Generator {
  public:
    Generator(uint64_t seed, const ScenarioOptions & options)
        : options_(options)
        , random_(seed) {}

    Scenario run(uint64_t seed) {
        Scenario scenario;
        scenario.seed = seed;
        quiet_ = chance(30);
        scenario.machine = machine();
        longest_ = quiet_ ? between(1, 4) : 8;
        space_size_ = static_cast<uint64_t>(quiet_ ? between(2, 12) : between(4, 40));
        n_copies_ = chance(50) ? 1 : scenario.machine.window;
        host_launches_ = between(0, 30);
        direct_ = between(0, 100);
        at_call_ = chance(50) ? 0 : between(0, 100);
        staged_ = chance(50) ? 0 : between(0, 100);
        now_ = chance(50) ? 0 : between(0, 100);
        offered_ = chance(70) ? 0 : between(0, 100);

        std::vector<Graph> graphs(static_cast<size_t>(between(1, 3)));
        for (Graph & graph : graphs) {
            graph.seed = random_();
            graph.mode = options_.auto_mode_only || chance(60) ? Mode::Auto : chance(50) ? Mode::Barrier : Mode::Serial;
        }
        const int n_runs = between(options_.min_runs, options_.max_runs);
        const int change = between(0, 60);
        size_t graph = 0;
        for (int i = 0; i < n_runs; i++) {
            graph = chance(change) ? static_cast<size_t>(between(0, static_cast<int>(graphs.size()) - 1)) : graph;
            scenario.runs.push_back({program(graphs[graph], i % n_copies_), chance(10)});
        }
        return scenario;
    }

  private:
    // The same seed and another turn: the same tasks, but copies go to other slots.
    struct Graph {
        uint64_t seed;
        Mode mode;
    };

    int between(int first, int last) { return std::uniform_int_distribution<int>(first, last)(random_); }
    bool chance(int percent) { return between(1, 100) <= percent; }

    plan::Machine machine() {
        plan::Machine machine;
        machine.n_lanes = quiet_ ? between(4, 7) : between(2, 7);
        n_devices_ = machine.n_lanes - 1;
        machine.window = between(2, 4);
        const int with_events = quiet_ || chance(40) ? 100 : between(0, 100);
        const int with_reach = quiet_ || chance(40) ? 100 : between(0, 100);
        const int putting_off = chance(60) ? 0 : between(0, 100);
        for (int lane = 1; lane <= n_devices_; lane++) {
            machine.events[lane] = chance(with_events);
        }
        for (int a = 1; a <= n_devices_; a++) {
            for (int b = 1; b <= n_devices_; b++) {
                machine.reaches[a][b] = machine.events[a] && machine.events[b] && (a == b || chance(with_reach));
            }
            machine.puts_off_records[a] = chance(putting_off);
        }
        return machine;
    }

    Lane device() { return static_cast<Lane>(between(1, n_devices_)); }
    plan::Space memory() { return plan::kFirstBufferSpace + static_cast<plan::Space>(between(0, n_devices_ - 1)); }

    Access bytes(plan::Space space, bool write) {
        const int size = static_cast<int>(space_size_);
        const int begin = between(0, size - 1);
        const int end = between(begin + 1, std::min(size, begin + longest_));
        return {space, write, static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
    }

    // Where a copy of this run lies: memory behind all else, as many times as copies rotate
    Access slot(plan::Space space, int turn) {
        Access access = bytes(space, true);
        const uint64_t shift = chance(50) ? 0 : space_size_ * static_cast<uint64_t>(1 + turn);
        access.begin += shift;
        access.end += shift;
        return access;
    }

    Program program(const Graph & graph, int turn) {
        const std::mt19937_64 outer = random_;
        random_.seed(graph.seed);
        ProgramBuilder builder(graph.mode);
        const int n_tasks = between(1, between(1, options_.max_tasks));
        max_accesses_ = between(1, 6);
        write_percent_ = between(10, 60);
        observed_ = !quiet_ && chance(15);
        for (int i = 0; i < n_tasks; i++) {
            add_task(builder, turn);
        }
        add_launch(builder);
        if (!quiet_ && chance(70)) {
            Access a = bytes(plan::kHostMemory, true);
            Access b = bytes(plan::kHostMemory, true);
            builder.give_back({a, b});
        }
        add_caller_reads(builder);
        random_ = outer;
        return builder.program();
    }

    void add_task(ProgramBuilder & builder, int turn) {
        if (quiet_) {
            chance(40) && n_devices_ > 1 ? add_copy(builder, turn) : add_launch(builder);
            return;
        }
        switch (between(0, 9)) {
        case 0:
        case 1: add_set(builder, turn); break;
        case 2: {
            const Access from = {bytes(memory(), false)};
            builder.get(device(), from, bytes(chance(50) ? plan::kRing : plan::kHostMemory, true));
            break;
        }
        case 3:
        case 4:
        case 5:
            if (n_devices_ > 1) {
                add_copy(builder, turn);
                break;
            }
            [[fallthrough]];
        case 6: {
            const Access from = bytes(chance(70) ? memory() : plan::kHostMemory, false);
            const Lane source = static_cast<Lane>(between(0, n_devices_));
            builder.copy_now(source, static_cast<Lane>(between(0, n_devices_)), from, slot(memory(), turn));
            break;
        }
        default: add_launch(builder); break;
        }
    }

    void add_set(ProgramBuilder & builder, int turn) {
        const Access to = slot(memory(), turn);
        if (chance(offered_)) {
            builder.offer(device(), bytes(plan::kHostMemory, false), to, bytes(plan::kHostMemory, true));
            return;
        }
        if (chance(direct_)) {
            const Access from = bytes(chance(70) ? plan::kHostMemory : plan::kRing, false);
            if (!chance(at_call_)) {
                builder.set(device(), from, to);
            } else if (chance(staged_)) {
                builder.set_staged(device(), from, to);
            } else {
                builder.set_at_call(device(), from, to);
            }
            mark(builder);
            return;
        }
        Access ring = bytes(plan::kRing, true);
        builder.snapshot(bytes(plan::kHostMemory, false), ring);
        ring.write = false;
        builder.set(device(), ring, to);
        mark(builder);
    }

    // Lets the host make some copies by itself.
    void mark(ProgramBuilder & builder) {
        if (chance(now_)) {
            builder.may_be_now();
        }
    }

    void add_copy(ProgramBuilder & builder, int turn) {
        const Lane source = device();
        const Lane destination = static_cast<Lane>((source - 1 + between(1, n_devices_ - 1)) % n_devices_ + 1);
        const CopyOrder orders[] = {CopyOrder::InSource, CopyOrder::InDestination, CopyOrder::Unordered};
        builder.copy(orders[quiet_ && chance(60) ? 0 : between(0, 2)], source, destination, bytes(memory(), false),
                     slot(memory(), turn));
    }

    void add_launch(ProgramBuilder & builder) {
        const Lane lane = !quiet_ && chance(host_launches_) ? plan::kHost : device();
        std::vector<Access> accesses;
        const int n = between(0, max_accesses_);
        accesses.reserve(static_cast<size_t>(n));
        for (int i = 0; i < n; i++) {
            accesses.push_back(
                bytes(lane == plan::kHost || chance(10) ? plan::kHostMemory : memory(), chance(write_percent_)));
        }
        builder.add({TaskKind::Launch, lane}, accesses);
        if (observed_) {
            const std::vector<Access> looked_at = {bytes(memory(), false), bytes(plan::kHostMemory, false)};
            builder.add({TaskKind::Observe, plan::kHost}, looked_at);
        }
    }

    // What a launch on a device has written, and nothing writes after it
    void add_caller_reads(ProgramBuilder & builder) {
        const Program program = builder.program();
        for (int device = 1; device <= n_devices_; device++) {
            const Lane lane = static_cast<Lane>(device);
            for (size_t i = 0; i < program.tasks.size(); i++) {
                const Task & task = program.tasks[i];
                for (uint32_t a = 0; task.kind == TaskKind::Launch && task.lane == lane && a < task.n_accesses; a++) {
                    Access access = program.accesses[task.first_access + a];
                    if (access.write && !is_written_after(program, i, access) && chance(30)) {
                        access.write = false;
                        builder.caller_read(lane, access);
                    }
                }
            }
        }
    }

    static bool is_written_after(const Program & program, size_t index, const Access & bytes) {
        for (size_t i = index + 1; i < program.tasks.size(); i++) {
            const Task & task = program.tasks[i];
            for (uint32_t a = 0; a < task.n_accesses; a++) {
                const Access & other = program.accesses[task.first_access + a];
                if (other.write && other.space == bytes.space && other.begin < bytes.end && bytes.begin < other.end) {
                    return true;
                }
            }
        }
        return false;
    }

    const ScenarioOptions options_;
    std::mt19937_64 random_;
    int n_devices_ = 1;
    uint64_t space_size_ = 16;
    int longest_ = 8; // access
    int n_copies_ = 1;
    int max_accesses_ = 1;
    bool quiet_ = false;    // every event reaches, and the host never waits for data: clocks are all that orders lanes
    bool observed_ = false; // the caller looks at something after each launch
    int write_percent_ = 40;
    int host_launches_ = 0; // percent
    int at_call_ = 0;       // percent of those that are read when they are enqueued,
    int staged_ = 0;        // and of these, of those that are not read later
    int now_ = 0;           // of those from the host, those that the host may make at once
    int direct_ = 0;        // percent of inputs that are not snapshotted
    int offered_ = 0;       // percent of inputs that are offered to the copy callback
};

} // namespace

rc::Gen<Scenario> scenarios(const ScenarioOptions & options) {
    return property::make_gen<Scenario>([options](uint64_t seed, int) { return Generator(seed, options).run(seed); },
                                        smaller);
}

} // namespace plan_test
