#include "runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "handle.h"
#include "host_system.h"

namespace ggml_sched::test {

namespace {

constexpr int kRotation = 4; // input copies rotate through as many slots

constexpr size_t kColumns = 100;

// The scheduler's own listing of splits and nodes (GGML_SCHED_DEBUG=2), without sizes and causes
std::string splits_in(const std::string & log) {
    std::string text;
    size_t column = 0;
    std::istringstream stream(log);
    for (std::string line; std::getline(stream, line);) {
        if (const size_t split = line.find("## SPLIT #"); split != std::string::npos) {
            text += (text.empty() ? "split " : "\nsplit ") + line.substr(split + 10, line.find(" # ") - split - 10);
            column = kColumns;
        } else if (line.rfind("node #", 0) == 0) {
            const size_t at = line.find("): ") + 3;
            const std::string name = " " + line.substr(at, line.find(" (", at) - at);
            if (column + name.size() > kColumns) {
                text += "\n ";
                column = 1;
            }
            text += name;
            column += name.size();
        }
    }
    return text + "\n";
}

// Rotating slots differ from run to run in their number only.
std::string without_slots(std::string plan) {
    for (size_t at = plan.find('#'); at != std::string::npos; at = plan.find('#', at + 1)) {
        plan[at + 1] = '?';
    }
    return plan;
}

class Runner {
  public:
    explicit Runner(const Case & golden)
        : rig_(with_listing(golden.rig))
        , model_(rig_, golden.model) {
        change_hooks(rig_.sched(), [](TestHooks & hooks) { hooks.refuses_superfluous_waits = true; });
        if (golden.observed) {
            const auto look = [](ggml_tensor *, bool, void *) { return true; };
            ggml_backend_sched_set_eval_callback(rig_.sched(), look, nullptr);
        }
    }
    ~Runner() { ggml_backend_sched_synchronize(rig_.sched()); }

    // A batch as engines submit it: a new graph, allocated, its inputs written. Returns the plan.
    std::string run() {
        ggml_backend_sched_reset(rig_.sched());
        graphs_.push_back(model_.build(rig_));
        const Model::Graph & graph = graphs_.back();
        const LogCapture log;
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph.graph)) << log.text();
        splits_ = splits_in(log.text());
        for (ggml_tensor * input : graph.inputs) {
            const std::vector<char> zeros(ggml_nbytes(input), 0);
            if (input->buffer) {
                ggml_backend_tensor_set(input, zeros.data(), 0, zeros.size());
            }
        }
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph.graph), GGML_STATUS_SUCCESS) << log.text();
        return rig_.plan();
    }

    void synchronize() { ggml_backend_sched_synchronize(rig_.sched()); }
    const std::string & splits() const { return splits_; }

  private:
    static const RigOptions & with_listing(const RigOptions & options) {
        platform::set_env("GGML_SCHED_DEBUG", "2"); // read when the scheduler is made
        return options;
    }

    Rig rig_;
    Model model_;
    std::vector<Model::Graph> graphs_; // they may be in flight
    std::string splits_;
};

// Lines that begin with '#', broken between words
std::string comment(const std::string & text) {
    std::string result;
    std::istringstream paragraphs(text);
    for (std::string paragraph; std::getline(paragraphs, paragraph);) {
        std::string line = "#";
        std::istringstream words(paragraph);
        for (std::string word; words >> word;) {
            if (line.size() + 1 + word.size() > kColumns) {
                result += line + "\n";
                line = "#";
            }
            line += " " + word;
        }
        result += line + "\n";
    }
    return result;
}

std::string section(const std::string & title, const std::string & text) {
    return "\n== " + title + " ==\n" + text;
}

// The plans that runs settle to, one after the other.
std::string later_runs(Runner & runner) {
    for (int i = 2; i < 4 * kRotation; i++) {
        runner.run();
    }
    std::vector<std::string> plans(kRotation);
    for (std::string & plan : plans) {
        plan = runner.run();
    }
    for (const std::string & plan : plans) {
        EXPECT_EQ(without_slots(runner.run()), without_slots(plan)) << "it does not settle";
    }
    size_t period = 1;
    const auto repeats = [&](size_t i) { return without_slots(plans[i]) == without_slots(plans[i % period]); };
    while (period < plans.size() && !(repeats(1) && repeats(2) && repeats(3))) {
        period++;
    }
    std::string text;
    for (size_t i = 0; i < period; i++) {
        text +=
            section(period == 1 ? "every later run"
                                : "later runs, " + std::to_string(i + 1) + " of " + std::to_string(period) + " in turn",
                    plans[i]);
    }
    return text;
}

} // namespace

std::string document_of(const Case & golden) {
    Runner runner(golden);
    const std::string first = runner.run();
    std::string text = comment(golden.about) + section("the graph, cut into splits", runner.splits());
    if (golden.show == Show::Synchronized) {
        runner.synchronize();
        const std::string second = runner.run();
        for (int i = 0; i < kRotation; i++) {
            runner.synchronize();
            EXPECT_EQ(runner.run(), second);
        }
        return text + (first == second ? section("every run", first)
                                       : section("first run", first) + section("every later run", second));
    }
    text += section("first run", first);
    text += section("second run, the first in flight", runner.run());
    return text + later_runs(runner);
}

} // namespace ggml_sched::test
