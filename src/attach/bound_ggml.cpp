#include "bound_ggml.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "foreign.h"
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

// Finds the function that the object would call if this library were not there. NULL if there is none.
void * function_behind_us(const link_map & object, const char * name) {
    const link_map * const own = object_of(reinterpret_cast<const void *>(&object_of));
    if (object.l_name && object.l_name[0] != '\0') {
        if (void * handle = dlopen(object.l_name, RTLD_LAZY | RTLD_NOLOAD)) {
            void * const found = dlsym(handle, name); // in the object and those that it depends on
            (void) dlclose(handle);
            if (found && object_of(found) != own) {
                return found;
            }
        }
    }
    return dlsym(RTLD_NEXT, name); // in the objects behind this one, in the order of the whole program
}

// Finds the numbers of the operations by their names. ggml_op_name() must not be asked behind the last one, which is
// GLU in every ggml that can be attached.
OpTable find_ops(const BoundGgml & ggml) {
    static constexpr std::array<const char *, static_cast<size_t>(KnownOp::Count)> kNames = {
        "MUL_MAT", "MUL_MAT_ID", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE", "SET_ROWS", "FLASH_ATTN_EXT", "ROPE"};
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

void log_line(const std::string & text) {
    (void) std::fprintf(stderr, "ggml-sched: %s\n", text.c_str());
}

BoundGgml * bind(void * caller) {
    static std::mutex mutex;
    static auto * const bound = new std::unordered_map<const link_map *, BoundGgml *>;
    const link_map * const object = object_of(caller);
    void * const scheduler = object ? function_behind_us(*object, "ggml_backend_sched_new") : nullptr;
    const link_map * const provider = scheduler ? object_of(scheduler) : nullptr;
    if (!provider) {
        return nullptr;
    }
    const std::lock_guard<std::mutex> lock(mutex);
    BoundGgml *& ggml = (*bound)[provider];
    if (ggml) {
        return ggml;
    }
    ggml = new BoundGgml;
    ggml->path = provider->l_name;
    void * const handle = dlopen(provider->l_name, RTLD_LAZY | RTLD_NOLOAD); // stays open: the ggml must not go
    for (size_t i = 0; i < kStockNames.size(); i++) {
        ggml->stock[i] = dlsym(handle ? handle : RTLD_NEXT, kStockNames[i]);
    }
    const std::string why = handle ? attach(*ggml, handle, *provider) : "it cannot be opened a second time";
    ggml->is_attached = why.empty();
    if (!ggml->is_attached) {
        log_line("not attached to " + ggml->path + ", which keeps its own scheduler: " + why);
    }
    return ggml;
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
