// llama_pair - runs llama.cpp with ggml's scheduler and with this one in one process, in turn, and compares their
// logits and speed. It needs only public headers, so it works with every version of llama.cpp that the drop-in serves.
// In one line:
//
//   g++ -std=c++17 -O2 tools/llama-ab/llama_pair.cpp -I LLAMA/include -I LLAMA/ggml/include -L LIBRARIES
//       -lllama -lggml -lggml-base -Wl,-rpath,LIBRARIES -Wl,-rpath-link,LIBRARIES -o llama_pair
//
// Then `./llama_pair --help`, or for example
//
//   ./llama_pair model.gguf --gpu-layers 99 --cpu-moe --prefill 4096 --ubatch 512 --decode 64 --pairs 5
//
// For each workload it prints the medians of tokens per second, and the median and quartiles of the paired ratios. The
// exit code is 1 if any logits differ.

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

struct Options {
    std::string model;
    int gpu_layers = 99;
    std::string on_cpu; // a regular expression for tensors
    bool mmap = false;
    bool kv_on_host = false;
    bool repack = true; // the CPU may keep weights in a layout of its own, which no device reads
    int moe_cache_mib = 0;
    int prefill = 0; // tokens; 0: none
    int ubatch = 512;
    int decode = 0;  // tokens; 0: none
    int context = 0; // tokens; 0: as many as the workloads need
    int pairs = 3;
    int warmup = 1;
    int threads = 8;
    std::vector<std::string> rpc; // HOST:PORT of RPC servers, which the model is spread over
    std::string serve;            // HOST:PORT: be such a server instead
    bool verify = false;          // each plan of ours is proved in the warm-up
};

constexpr const char * kHelp = R"(llama_pair MODEL.gguf [options]
  --prefill N        compare a prefill of N tokens, in micro-batches of --ubatch N (512)
  --decode N         compare the decode of N tokens
  --pairs N          timed pairs of runs (3); --warmup N runs before them (1)
  --threads N        of the CPU (8)
  --context N        tokens; by default as many as needed
  --verify           prove each plan of ours (GGML_SCHED_VERIFY=1); slower
  --gpu-layers N     layers on devices (99)
  --cpu-moe          experts in host memory
  --on-cpu REGEX     tensors in host memory
  --kv-on-host       the KV cache in host memory
  --mmap             map the file instead of reading it
  --no-repack        keep weights on the CPU in their own layout, so that devices can read them
  --moe-cache-mib N  llama.cpp's expert cache, where it has one
  --rpc HOST:PORT    a server that the model is spread over; may be repeated
  --serve HOST:PORT  be such a server, until the process is ended; needs no model
)";

constexpr const char * kExperts = "\\.ffn_(up|down|gate|gate_up)_(ch|)exps";
constexpr int kRows = 8; // of the logits of a prefill

[[noreturn]] void fail(const std::string & text) {
    std::fprintf(stderr, "llama_pair: %s\n", text.c_str());
    std::exit(2);
}

Options parse(int argc, char ** argv) {
    Options options;
    for (int i = 1; i < argc; i++) {
        const std::string name = argv[i];
        const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : (fail(name + " needs a value"), ""); };
        const auto number = [&] { return std::atoi(value().c_str()); };
        if (name == "--gpu-layers") {
            options.gpu_layers = number();
        } else if (name == "--cpu-moe") {
            options.on_cpu = kExperts;
        } else if (name == "--on-cpu") {
            options.on_cpu = value();
        } else if (name == "--mmap") {
            options.mmap = true;
        } else if (name == "--kv-on-host") {
            options.kv_on_host = true;
        } else if (name == "--no-repack") {
            options.repack = false;
        } else if (name == "--moe-cache-mib") {
            options.moe_cache_mib = number();
        } else if (name == "--prefill") {
            options.prefill = number();
        } else if (name == "--ubatch") {
            options.ubatch = number();
        } else if (name == "--decode") {
            options.decode = number();
        } else if (name == "--context") {
            options.context = number();
        } else if (name == "--pairs") {
            options.pairs = number();
        } else if (name == "--warmup") {
            options.warmup = number();
        } else if (name == "--threads") {
            options.threads = number();
        } else if (name == "--rpc") {
            options.rpc.push_back(value());
        } else if (name == "--serve") {
            options.serve = value();
        } else if (name == "--help") {
            std::fputs(kHelp, stdout);
            std::exit(0);
        } else if (name == "--verify") {
            options.verify = true;
        } else if (name[0] == '-' || !options.model.empty()) {
            fail("unknown option '" + name + "'; see llama_pair --help");
        } else {
            options.model = name;
        }
    }
    if (options.model.empty() && options.serve.empty()) {
        fail("needs a model: llama_pair MODEL.gguf [options]");
    }
    return options;
}

// Newer versions of llama.cpp keep experts on the device.
template <typename Params> auto set_moe_cache(Params & params, int mib) -> decltype(params.moe_cache_size, void()) {
    params.moe_cache_size = static_cast<size_t>(mib) << 20;
}
[[maybe_unused]] void set_moe_cache(...) {}

// Older versions have a flag, newer ones a mode.
template <typename Params> auto set_mmap(Params & params, bool mmap, int) -> decltype(params.use_mmap, void()) {
    params.use_mmap = mmap;
}
template <typename Params> auto set_mmap(Params & params, bool mmap, double) -> decltype(params.load_mode, void()) {
    constexpr int kNone = 0;
    constexpr int kMmap = 1;
    params.load_mode = static_cast<decltype(params.load_mode)>(mmap ? kMmap : kNone);
}

template <typename Params, typename = void> struct HasMoeCache : std::false_type {};
template <typename Params>
struct HasMoeCache<Params, std::void_t<decltype(std::declval<Params>().moe_cache_size)>> : std::true_type {};

struct ModelDeleter {
    void operator()(llama_model * model) const { llama_model_free(model); }
};
struct ContextDeleter {
    void operator()(llama_context * context) const { llama_free(context); }
};
using ModelPtr = std::unique_ptr<llama_model, ModelDeleter>;
using ContextPtr = std::unique_ptr<llama_context, ContextDeleter>;

ModelPtr load(const Options & options) {
    llama_model_params params = llama_model_default_params();
    const llama_model_tensor_buft_override overrides[] = {{options.on_cpu.c_str(), ggml_backend_cpu_buffer_type()},
                                                          {nullptr, nullptr}};
    params.n_gpu_layers = options.gpu_layers;
    set_mmap(params, options.mmap, 0);
    params.use_extra_bufts = options.repack;
    params.tensor_buft_overrides = options.on_cpu.empty() ? nullptr : overrides;
    ModelPtr model(llama_model_load_from_file(options.model.c_str(), params));
    return model ? std::move(model) : (fail("cannot load '" + options.model + "'"), nullptr);
}

void set_variable(const char * name, const char * value) {
#ifdef _WIN32
    _putenv_s(name, value);
#else
    setenv(name, value, 1);
#endif
}

// The scheduler is chosen when a context makes it, and again whenever the context makes another.
void choose(const char * scheduler) {
    set_variable("GGML_SCHED", scheduler);
}

struct Engine {
    const char * scheduler;
    ContextPtr context;
    std::vector<double> speeds; // tokens per second
    uint64_t hash = 0;          // of the logits of the last run
};

ContextPtr make_context(const Options & options, llama_model * model) {
    llama_context_params params = llama_context_default_params();
    const int needed = std::max(options.prefill, options.decode + 64);
    params.n_ctx = static_cast<uint32_t>(std::max(options.context, needed));
    params.n_batch = static_cast<uint32_t>(std::max(needed, options.ubatch));
    params.n_ubatch = static_cast<uint32_t>(options.ubatch);
    params.n_threads = params.n_threads_batch = options.threads;
    params.offload_kqv = !options.kv_on_host;
    set_moe_cache(params, options.moe_cache_mib);
    ContextPtr context(llama_init_from_model(model, params));
    return context ? std::move(context) : (fail("cannot make a context"), nullptr);
}

uint64_t hash_of(const float * values, size_t n, uint64_t hash) {
    const auto * bytes = reinterpret_cast<const unsigned char *>(values);
    for (size_t i = 0; i < n * sizeof(float); i++) {
        hash = (hash ^ bytes[i]) * 0x100000001B3ULL;
    }
    return hash;
}

// Evaluates the tokens from a position on, and adds the last rows of logits to the hash.
void evaluate(Engine & engine, const std::vector<llama_token> & tokens, int first, int n, int n_rows) {
    llama_batch batch = llama_batch_init(n, 0, 1);
    for (int i = 0; i < n; i++) {
        batch.token[i] = tokens[static_cast<size_t>(first + i)];
        batch.pos[i] = first + i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = static_cast<int8_t>(i >= n - n_rows);
    }
    batch.n_tokens = n;
    if (llama_decode(engine.context.get(), batch) != 0) {
        fail(std::string("llama_decode failed with ") + engine.scheduler);
    }
    llama_synchronize(engine.context.get());
    const llama_vocab * vocab = llama_model_get_vocab(llama_get_model(engine.context.get()));
    const auto width = static_cast<size_t>(llama_vocab_n_tokens(vocab));
    for (int i = std::max(0, n - n_rows); i < n; i++) {
        engine.hash = hash_of(llama_get_logits_ith(engine.context.get(), i), width, engine.hash);
    }
    llama_batch_free(batch);
}

struct Workload {
    std::string name;
    int prefill; // tokens at once
    int decode;  // tokens, one by one, behind the prefill
    int n_timed() const { return decode > 0 ? decode : prefill; }
};

void run(Engine & engine, const Workload & workload, const std::vector<llama_token> & tokens) {
    choose(engine.scheduler);
    llama_memory_clear(llama_get_memory(engine.context.get()), true);
    engine.hash = 0xCBF29CE484222325ULL;
    auto begin = std::chrono::steady_clock::now();
    evaluate(engine, tokens, 0, workload.prefill, std::min(kRows, workload.prefill));
    if (workload.decode > 0) {
        begin = std::chrono::steady_clock::now();
    }
    for (int i = 0; i < workload.decode; i++) {
        evaluate(engine, tokens, workload.prefill + i, 1, 1);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    engine.speeds.push_back(workload.n_timed() / seconds.count());
}

double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    const double at = q * static_cast<double>(values.size() - 1);
    const auto low = static_cast<size_t>(at);
    const size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

// False if the logits differ.
bool compare(const Options & options, llama_model * model, const Workload & workload) {
    std::mt19937 random(7);
    const auto n_vocab = static_cast<unsigned>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
    std::vector<llama_token> tokens(static_cast<size_t>(workload.prefill + workload.decode));
    std::generate(tokens.begin(), tokens.end(), [&] { return static_cast<llama_token>(random() % n_vocab); });

    std::vector<Engine> engines(2);
    const char * names[] = {"stock", "ours"};
    for (size_t i = 0; i < engines.size(); i++) {
        engines[i].scheduler = names[i];
        choose(names[i]);
        set_variable("GGML_SCHED_VERIFY", options.verify ? "1" : "0");
        engines[i].context = make_context(options, model);
    }
    bool same = true;
    std::vector<double> ratios;
    for (int pair = 0; pair < options.warmup + options.pairs; pair++) {
        for (size_t i = 0; i < 2; i++) {
            run(engines[(static_cast<size_t>(pair) + i) % 2], workload, tokens);
        }
        same = same && engines[0].hash == engines[1].hash;
        if (pair >= options.warmup) {
            ratios.push_back(engines[1].speeds.back() / engines[0].speeds.back());
        }
    }
    for (Engine & engine : engines) {
        engine.speeds.erase(engine.speeds.begin(), engine.speeds.begin() + options.warmup);
    }
    std::printf("%-32s stock %9.1f  ours %9.1f tokens/s  ratio %.3f (%.3f to %.3f)  logits %s %016" PRIx64 "\n",
                workload.name.c_str(), quantile(engines[0].speeds, 0.5), quantile(engines[1].speeds, 0.5),
                quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75), same ? "same" : "DIFFER",
                engines[1].hash);
    std::fflush(stdout);
    return same;
}

template <typename Function> Function rpc_function(const char * name) {
    const ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
    void * function = rpc ? ggml_backend_reg_get_proc_address(rpc, name) : nullptr;
    return function ? reinterpret_cast<Function>(function)
                    : (fail(std::string("this ggml has no ") + name + "; build it with GGML_RPC=ON"), nullptr);
}

void add_rpc_servers(const std::vector<std::string> & endpoints) {
    for (const std::string & endpoint : endpoints) {
        const auto add = rpc_function<ggml_backend_reg_t (*)(const char *)>("ggml_backend_rpc_add_server");
        ggml_backend_register(add(endpoint.c_str()));
    }
}

// Serves the CPU until the process is ended.
void serve(const std::string & endpoint) {
    using Serve = void (*)(const char *, const char *, size_t, size_t, ggml_backend_dev_t *);
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    rpc_function<Serve>("ggml_backend_rpc_start_server")(endpoint.c_str(), nullptr, 2, 1, &cpu);
}

void print_problems(ggml_log_level level, const char * text, void *) {
    if (level >= GGML_LOG_LEVEL_WARN || std::strstr(text, "ggml-sched")) {
        std::fputs(text, stderr);
    }
}

} // namespace

int main(int argc, char ** argv) {
    const Options options = parse(argc, argv);
    if (options.moe_cache_mib > 0 && !HasMoeCache<llama_context_params>::value) {
        fail("this llama.cpp has no expert cache");
    }
    llama_log_set(print_problems, nullptr);
    llama_backend_init();
    ggml_backend_load_all();
    if (!options.serve.empty()) {
        serve(options.serve);
        return 0;
    }
    add_rpc_servers(options.rpc);
    bool same = true;
    {
        const ModelPtr model = load(options);
        if (options.prefill > 0) {
            const std::string name =
                "prefill " + std::to_string(options.prefill) + " by " + std::to_string(options.ubatch);
            same = compare(options, model.get(), {name, options.prefill, 0}) && same;
        }
        if (options.decode > 0) {
            same =
                compare(options, model.get(), {"decode " + std::to_string(options.decode), 16, options.decode}) && same;
        }
    }
    llama_backend_free();
    return same ? 0 : 1;
}
