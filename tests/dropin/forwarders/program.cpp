// Plays an engine on the drop-in with stub schedulers, and prints what happens. The argument names the scenario;
// forwarders_test.py compares the output.

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>

#include "ggml-sched.h"
#include "stub.h"

using stub::say;

namespace {

std::array<ggml_backend_t, 2> backends = {reinterpret_cast<ggml_backend_t>(1), reinterpret_cast<ggml_backend_t>(2)};

ggml_backend_sched_t make_scheduler(ggml_backend_buffer_type_t * bufts = nullptr) {
    return ggml_backend_sched_new(backends.data(), bufts, 2, 77, true, true);
}

// hidden = op(input, weight), output = op(hidden, table)
struct Graph {
    ggml_tensor input = {}, weight = {}, table = {}, hidden = {}, output = {};
    std::array<char, 8> weights = {'w', 'e', 'i', 'g', 'h', 't', 's', '.'};
    ggml_cgraph graph;

    Graph() {
        const std::map<const char *, ggml_tensor *> tensors = {
            {"input", &input}, {"weight", &weight}, {"table", &table}, {"hidden", &hidden}, {"output", &output}};
        for (const auto & [name, tensor] : tensors) {
            std::strcpy(tensor->name, name);
            tensor->ne[0] = 8;
        }
        input.flags = GGML_TENSOR_FLAG_INPUT;
        weight.data = weights.data();
        weight.buffer = reinterpret_cast<ggml_backend_buffer_t>(this);
        hidden.op = output.op = GGML_OP_ADD;
        hidden.src[0] = &input;
        hidden.src[1] = &weight;
        output.src[0] = &hidden;
        output.src[1] = &table;
        output.flags = GGML_TENSOR_FLAG_OUTPUT;
        graph.nodes = {&hidden, &output};
    }

    void set_inputs() {
        ggml_backend_tensor_set(&input, "an input", 0, 8);
        ggml_backend_tensor_set(&table, "a table.", 0, 8);
    }

    void show() const {
        for (const ggml_tensor * tensor : {&input, &table, &output, &weight}) {
            say(std::string(tensor->name) + " = " +
                (tensor->data ? std::string(static_cast<const char *>(tensor->data), 8) : "no memory") +
                (tensor->flags & GGML_TENSOR_FLAG_INPUT ? " input" : "") +
                (tensor->flags & GGML_TENSOR_FLAG_OUTPUT ? " output" : ""));
        }
    }
};

ggml_backend_sched_t other_scheduler = nullptr;

int set_priority(ggml_backend_sched_t sched, int priority) {
    const float weights[2] = {0, 5};
    const int calls = ggml_backend_sched_set_priority(sched, priority, weights);
    say("set_priority returned " + std::to_string(calls));
    return calls;
}

bool call_from_eval(ggml_tensor *, bool, void * user_data) {
    set_priority(static_cast<ggml_backend_sched_t>(user_data), 4);
    return true;
}

bool on_eval(ggml_tensor * tensor, bool, void * user_data) {
    say(std::string("eval of ") + tensor->name + " for " + static_cast<const char *>(user_data));
    return true;
}

bool on_copy(ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void * user_data) {
    say(std::string("copy for ") + static_cast<const char *>(user_data));
    return true;
}

void on_realloc(ggml_backend_sched_t sched, ggml_cgraph *, bool backend_ids_changed, bool size_changed,
                void * user_data) {
    say(std::string("realloc of ") + (sched == other_scheduler ? "the engine's handle" : "another handle") +
        (backend_ids_changed ? " ids" : "") + (size_changed ? " size" : "") + " for " +
        static_cast<const char *>(user_data));
}

char engine[] = "the engine";

void set_callbacks(ggml_backend_sched_t sched) {
    other_scheduler = sched;
    ggml_backend_sched_set_eval_callback(sched, on_eval, engine);
    ggml_backend_sched_set_copy_callback(sched, on_copy, engine);
    ggml_backend_sched_set_realloc_callback(sched, on_realloc, engine);
}

void become_stock() {
    std::array<ggml_backend_buffer_type_t, 2> bufts = {reinterpret_cast<ggml_backend_buffer_type_t>(8),
                                                       reinterpret_cast<ggml_backend_buffer_type_t>(9)};
    Graph g;
    ggml_backend_sched_t sched = make_scheduler(bufts.data());
    bufts = {};
    set_callbacks(sched);
    ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
    ggml_backend_sched_set_tensor_backend(sched, &g.output, reinterpret_cast<ggml_backend_t>(3));
    say("-");
    set_priority(sched, 6);
    say("-");
    set_priority(sched, 7);
    ggml_backend_sched_graph_compute(sched, &g.graph);
    ggml_backend_sched_free(sched);
}

void reserved() {
    stub::buffer_size = 4096;
    ggml_backend_sched_t sched = make_scheduler();
    set_priority(sched, 6);
    ggml_backend_sched_free(sched);
}

void answers() {
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_label(sched, "some text");
    set_priority(sched, 6);
    const ggml_backend_sched_report report = ggml_backend_sched_get_report(sched);
    say("report " + std::to_string(report.calls) + " " + std::to_string(report.priority));
    const char * label = ggml_backend_sched_get_label(sched);
    say(std::string("label ") + (label ? label : "NULL"));
    const auto show = [](int percent, void * data) { say(std::to_string(percent) + static_cast<char *>(data)); };
    char unit[] = " percent";
    say(ggml_backend_sched_watch(sched, show, show, unit) ? "watches" : "does not watch");
    ggml_backend_sched_free(sched);
}

void null_handle() {
    set_priority(nullptr, 6);
    say("label " + std::string(ggml_backend_sched_get_label(nullptr) ? "" : "NULL"));
    say("report " + std::to_string(ggml_backend_sched_get_report(nullptr).calls));
    say("first " + std::string(ggml_backend_sched_first_of(nullptr, nullptr) ? "" : "NULL"));
    ggml_backend_sched_t sched = make_scheduler();
    say("share " + std::to_string(ggml_backend_sched_share(sched, nullptr)));
    ggml_backend_sched_set_eval_callback(nullptr, nullptr, nullptr);
    ggml_backend_sched_free(sched);
}

void two_schedulers() {
    ggml_backend_sched_t first = make_scheduler();
    ggml_backend_sched_t second = make_scheduler();
    set_priority(second, 1);
    say("share " + std::to_string(ggml_backend_sched_share(first, second)));
    say(ggml_backend_sched_first_of(first, second) == first ? "the same handle" : "another handle");
    ggml_backend_sched_free(first);
    ggml_backend_sched_free(second);
}

void made_by_stock() {
    ggml_backend_sched_t sched = ggml_backend_sched_new_ext(backends.data(), 2);
    say(sched ? "made" : "NULL");
    if (sched) {
        set_priority(sched, 6);
        ggml_backend_sched_free(sched);
    }
    stub::failing = "stock new";
    say(ggml_backend_sched_new_ext(backends.data(), 2) ? "made" : "NULL");
}

void no_scheduler() {
    ggml_backend_sched_set_default_priority(9);
    say("default " + std::to_string(ggml_backend_sched_get_default_priority()));
}

void contents() {
    Graph g;
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    ggml_backend_sched_graph_compute(sched, &g.graph);
    g.set_inputs();
    say("-");
    set_priority(sched, 6);
    g.show();
    ggml_backend_sched_graph_compute(sched, &g.graph);
    ggml_backend_sched_free(sched);
}

void computed_without_alloc() {
    Graph g;
    ggml_backend_sched_t sched = make_scheduler();
    set_callbacks(sched);
    ggml_backend_sched_set_eval_callback(
        sched, [](ggml_tensor *, bool, void *) { return false; }, nullptr);
    ggml_backend_sched_graph_compute_async(sched, &g.graph);
    g.set_inputs();
    say("-");
    set_priority(sched, 6);
    g.show();
    ggml_backend_sched_free(sched);
}

void call_in_callback() {
    Graph g;
    Graph next;
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_eval_callback(sched, call_from_eval, sched);
    ggml_backend_sched_graph_compute(sched, &g.graph);
    ggml_backend_sched_set_eval_callback(sched, nullptr, nullptr);
    const auto call = [](ggml_backend_sched_t handle, ggml_cgraph *, bool, bool, void *) { set_priority(handle, 5); };
    ggml_backend_sched_set_realloc_callback(sched, call, nullptr);
    ggml_backend_sched_reset(sched);
    ggml_backend_sched_alloc_graph(sched, &next.graph);
    ggml_backend_sched_set_realloc_callback(sched, nullptr, nullptr);
    say("-");
    set_priority(sched, 6);
    ggml_backend_sched_free(sched);
}

void failure(const std::string & call) {
    Graph g;
    ggml_backend_sched_t sched = make_scheduler();
    set_callbacks(sched);
    ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    g.set_inputs();
    stub::failing = call;
    say("-");
    set_priority(sched, 6);
    say("-");
    stub::failing = "";
    if (g.input.data) {
        g.show();
    }
    ggml_backend_sched_graph_compute(sched, &g.graph);
    ggml_backend_sched_free(sched);
}

void realloc_callback() {
    Graph g;
    Graph next;
    ggml_backend_sched_t sched = make_scheduler();
    set_callbacks(sched);
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    ggml_backend_sched_reset(sched);
    ggml_backend_sched_set_realloc_callback(sched, nullptr, nullptr);
    ggml_backend_sched_alloc_graph(sched, &next.graph);
    ggml_backend_sched_free(sched);
}

// Each of these calls makes our scheduler forget the graph and the assignments.
void forgotten() {
    using Forget = std::function<void(ggml_backend_sched_t, Graph &)>;
    const std::vector<std::pair<std::string, Forget>> cases = {
        {"reset", [](auto sched, auto &) { ggml_backend_sched_reset(sched); }},
        {"reserve", [](auto sched, auto & g) { ggml_backend_sched_reserve(sched, &g.graph); }},
        {"reserve_size", [](auto sched, auto & g) { ggml_backend_sched_reserve_size(sched, &g.graph, nullptr); }},
        {"unalloc_graph", [](auto sched, auto &) { ggml_sched_unalloc_graph(sched); }},
        {"set_experts", [](auto sched, auto &) { ggml_sched_set_experts(sched, nullptr); }},
        {"set_streaming", [](auto sched, auto &) { ggml_sched_set_streaming(sched, nullptr); }},
        {"failed alloc_graph", [](auto sched, auto &) { ggml_backend_sched_alloc_graph(sched, nullptr); }},
        {"failed compute", [](auto sched, auto & g) {
             ggml_backend_sched_reset(sched);
             ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
             stub::failing = "ours alloc_graph";
             ggml_backend_sched_graph_compute(sched, &g.graph);
             stub::failing = "";
         }}};
    for (const auto & [name, forget] : cases) {
        Graph g;
        ggml_backend_sched_t sched = make_scheduler();
        ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
        ggml_backend_sched_alloc_graph(sched, &g.graph);
        forget(sched, g);
        say("- " + name);
        set_priority(sched, 6);
        ggml_backend_sched_free(sched);
    }
}

// Another graph than the allocated one is computed.
void other_graph() {
    Graph g;
    Graph other;
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    ggml_backend_sched_graph_compute(sched, &other.graph);
    other.set_inputs();
    say("-");
    set_priority(sched, 6);
    other.show();
    ggml_backend_sched_free(sched);
}

// A new graph is computed that is at the address of the old one.
void same_address() {
    std::optional<Graph> g(std::in_place);
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_tensor_backend(sched, &g->hidden, backends[1]);
    ggml_backend_sched_graph_compute(sched, &g->graph);
    g.emplace();
    ggml_backend_sched_graph_compute(sched, &g->graph);
    g->set_inputs();
    say("-");
    set_priority(sched, 6);
    g->show();
    ggml_backend_sched_free(sched);
}

// The engine is called back while ours is made again.
void call_while_switching() {
    Graph g;
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    const auto call = [](ggml_backend_sched_t handle, ggml_cgraph *, bool, bool, void *) { set_priority(handle, 5); };
    ggml_backend_sched_set_realloc_callback(sched, call, nullptr);
    stub::failing = "stock alloc_graph";
    say("-");
    set_priority(sched, 6);
    ggml_backend_sched_free(sched);
}

void split_graph() {
    Graph g;
    ggml_backend_sched_t sched = make_scheduler();
    ggml_backend_sched_set_tensor_backend(sched, &g.hidden, backends[1]);
    ggml_backend_sched_alloc_graph(sched, &g.graph);
    ggml_backend_sched_split_graph(sched, &g.graph);
    say("-");
    set_priority(sched, 6);
    ggml_backend_sched_free(sched);
}

} // namespace

int main(int argc, char ** argv) {
    const std::map<std::string, std::function<void()>> scenarios = {
        {"become_stock", become_stock},
        {"answers", answers},
        {"null_handle", null_handle},
        {"two_schedulers", two_schedulers},
        {"made_by_stock", made_by_stock},
        {"no_scheduler", no_scheduler},
        {"contents", contents},
        {"computed_without_alloc", computed_without_alloc},
        {"call_in_callback", call_in_callback},
        {"reserved", reserved},
        {"no_stock", [] { failure("stock new"); }},
        {"no_memory", [] { failure("stock alloc_graph"); }},
        {"no_memory_at_all", [] { failure("stock alloc_graph, ours alloc_graph"); }},
        {"nothing_left", [] { failure("stock alloc_graph, ours new"); }},
        {"realloc_callback", realloc_callback},
        {"forgotten", forgotten},
        {"split_graph", split_graph},
        {"other_graph", other_graph},
        {"same_address", same_address},
        {"call_while_switching", call_while_switching}};
    const auto scenario = scenarios.find(argc > 1 ? argv[1] : "");
    if (scenario == scenarios.end()) {
        return 2;
    }
    scenario->second();
    return 0;
}
