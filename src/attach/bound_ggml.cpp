#include "bound_ggml.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

#include "foreign.h"
#include "host/operations.h"
#include "proof.h"

namespace ggml_sched::attach {

namespace {

constexpr std::array<const char *, kFunctionCount> kFunctionNames = {
#define GGML_SCHED_NAME(name) #name,
    GGML_SCHED_CALLED_FUNCTIONS(GGML_SCHED_NAME) GGML_SCHED_PROOF_FUNCTIONS(GGML_SCHED_NAME)
        GGML_SCHED_OPTIONAL_FUNCTIONS(GGML_SCHED_NAME)
#undef GGML_SCHED_NAME
};
constexpr std::array<const char *, kStockCount> kStockNames = {
#define GGML_SCHED_NAME(name) "ggml_backend_sched_" #name,
    GGML_SCHED_STOCK_FUNCTIONS(GGML_SCHED_NAME) GGML_SCHED_LATE_STOCK_FUNCTIONS(GGML_SCHED_NAME)
#undef GGML_SCHED_NAME
};
constexpr int kFirstOptional = kFunctionCount - 3;

thread_local const BoundGgml * current_ggml = nullptr;

// Returns the object file that has this address; NULL if it is unknown.
link_map * object_of(const void * address) {
    Dl_info info;
    link_map * map = nullptr;
    return dladdr1(address, &info, reinterpret_cast<void **>(&map), RTLD_DL_LINKMAP) != 0 ? map : nullptr;
}

// Finds the function that the object would call if this library were not there. NULL if there is none. As the loader,
// it looks into what the whole program sees first, and then into what the object depends on.
void * function_behind_us(const link_map & object, const char * name) {
    if (void * found = dlsym(RTLD_NEXT, name)) {
        return found;
    }
    if (!object.l_name || object.l_name[0] == '\0') {
        return nullptr; // The program itself sees no more.
    }
    void * const handle = dlopen(object.l_name, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle) {
        return nullptr;
    }
    void * const found = dlsym(handle, name);
    (void) dlclose(handle);
    return found && object_of(found) != object_of(reinterpret_cast<const void *>(&object_of)) ? found : nullptr;
}

// Finds the numbers of the operations by their names. ggml_op_name() must not be asked behind the last one, which is
// GLU in every ggml that can be attached.
OpTable find_ops(const BoundGgml & ggml) {
    static constexpr std::array<const char *, static_cast<size_t>(KnownOp::Count)> kNames = {
        "MUL_MAT",        "MUL_MAT_ID", "RESHAPE", "VIEW",     "PERMUTE", "TRANSPOSE", "SET_ROWS",
        "FLASH_ATTN_EXT", "ROPE",       "ADD_ID",  "GET_ROWS", "CONCAT",  "CONT",      "CUSTOM"};
    static constexpr std::array<const char *, 15> kInPlace = {
        "ADD",   "ADD1",     "DIAG_MASK_INF", "DIAG_MASK_ZERO", "DIV", "LOG",  "MUL", "RMS_NORM", "ROPE",
        "SCALE", "SOFT_MAX", "SQR",           "SQRT",           "SUB", "UNARY"};
    OpTable table;
    table.number.fill(kMostOps);
    const bool asks = ggml.functions[F_ggml_op_can_inplace] != nullptr;
    for (int op = 0; op < kMostOps; op++) {
        const char * name = GGML_SCHED_CALL(ggml, ggml_op_name)(static_cast<ggml_op>(op));
        for (size_t i = 0; i < kNames.size(); i++) {
            table.number[i] = std::strcmp(name, kNames[i]) == 0 ? op : table.number[i];
        }
        for (const char * known : host::kRowByRow) {
            table.row_by_row[op] = table.row_by_row[op] || std::strcmp(name, known) == 0;
        }
        table.in_place[op] = asks && GGML_SCHED_CALL(ggml, ggml_op_can_inplace)(static_cast<ggml_op>(op));
        for (const char * known : kInPlace) {
            table.in_place[op] = table.in_place[op] || (!asks && std::strcmp(name, known) == 0);
        }
        if (std::strcmp(name, "GLU") == 0) {
            break;
        }
    }
    return table;
}

// Returns true if the version, as in "0.18.1", is at least this one. An unknown version is.
bool is_at_least(const std::string & version, int major, int minor) {
    int own_major = 0;
    int own_minor = 0;
    const bool is_known = std::sscanf(version.c_str(), "%d.%d", &own_major, &own_minor) == 2;
    return !is_known || own_major > major || (own_major == major && own_minor >= minor);
}

// Returns "" if the ggml can be attached, and sets its layout. Otherwise returns why not.
std::string find_layout(BoundGgml & ggml) {
    std::string difference;
    for (const Layout & layout : known_layouts()) {
        difference = disprove(ggml, layout);
        if (difference.empty()) {
            ggml.layout = layout;
            return "";
        }
    }
    return "none of its known layouts is this one's (" + difference + ")";
}

// Returns "" if the ggml can be attached. Otherwise returns why not.
std::string attach(BoundGgml & ggml, void * handle, const link_map & object) {
    const void * const other = dlsym(handle, "ggml_sched_version");
    if (other && object_of(other) == &object) {
        return "ggml-sched is in it already";
    }
    if (std::string why = bind_functions(ggml, handle); !why.empty()) {
        return why;
    }
    return find_layout(ggml);
}

} // namespace

std::string bind_functions(BoundGgml & ggml, void * handle) {
    for (int i = 0; i < kFunctionCount; i++) {
        ggml.functions[i] = dlsym(handle, kFunctionNames[i]);
        if (!ggml.functions[i] && i < kFirstOptional) {
            return std::string("it does not export ") + kFunctionNames[i];
        }
    }
    ggml.version = GGML_SCHED_CALL(ggml, ggml_version)();
    ggml.ops = find_ops(ggml);
    ggml.ops.weights_place_flash_attn = !is_at_least(ggml.version, 0, 18);
    return "";
}

void log_line(const char * text) {
    (void) std::fprintf(stderr, "ggml-sched: %s\n", text);
}

// Makes the description of the ggml that `object` calls. `why` says why it cannot be attached; "" if it can.
std::unique_ptr<BoundGgml> describe(const link_map & object, const link_map & provider, std::string & why) {
    auto ggml = std::make_unique<BoundGgml>();
    ggml->path = provider.l_name;
    ggml->handle = dlopen(provider.l_name, RTLD_LAZY | RTLD_NOLOAD); // stays open: the ggml must not go
    for (size_t i = 0; i < kStockNames.size(); i++) {
        ggml->stock[i] = function_behind_us(object, kStockNames[i]);
    }
    why = ggml->handle ? attach(*ggml, ggml->handle, provider) : "it cannot be opened a second time";
    ggml->is_attached = why.empty();
    return ggml;
}

const BoundGgml * bind(const void * code) noexcept try {
    static std::mutex mutex; // is not held while the loader is asked, which has a lock of its own
    static auto * const bound = new std::unordered_map<const link_map *, std::unique_ptr<BoundGgml>>;
    const link_map * const object = object_of(code);
    if (!object) {
        return nullptr;
    }
    // Others may put themselves in front of the scheduler's functions, but hardly of this one.
    void * function = function_behind_us(*object, "ggml_backend_buft_name");
    function = function ? function : function_behind_us(*object, "ggml_backend_sched_new");
    const link_map * const provider = function ? object_of(function) : nullptr;
    if (!provider) {
        return nullptr;
    }
    {
        const std::lock_guard<std::mutex> lock(mutex);
        if (const auto found = bound->find(provider); found != bound->end()) {
            return found->second.get();
        }
    }
    std::string why;
    std::unique_ptr<BoundGgml> ggml = describe(*object, *provider, why);
    const std::lock_guard<std::mutex> lock(mutex);
    const auto [place, is_new] = bound->try_emplace(provider, std::move(ggml));
    if (is_new && !why.empty()) {
        log_line(
            ("not attached to " + place->second->path + ", which keeps the scheduler that it has: " + why).c_str());
    }
    return place->second.get();
} catch (const std::bad_alloc &) {
    log_line("out of host memory");
    return nullptr;
}

const BoundGgml & current() {
    return *current_ggml;
}

Scope::Scope(const BoundGgml & ggml)
    : before_(current_ggml) {
    current_ggml = &ggml;
}

Scope::~Scope() {
    current_ggml = before_;
}

ggml_op number_of(KnownOp op) {
    return static_cast<ggml_op>(current_ggml->ops.number[static_cast<size_t>(op)]);
}

} // namespace ggml_sched::attach
