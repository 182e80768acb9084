// BoundGgml - one ggml of this process: its functions, its layout, and its own scheduler. A process may have several.
//
// bind() finds the ggml that a caller's functions belong to, proves its layout, and keeps it. A BoundGgml is never
// freed, since code that was bound to it may still run when the process ends. Any thread may call these functions.
// current() differs by thread: Scope sets it for the duration of a call.

#pragma once

#include <array>
#include <string>

#include "any_ggml.h"
#include "functions.h"
#include "layout.h"

namespace ggml_sched::attach {

// The index of a function in BoundGgml::functions is F_<name>.
enum FunctionIndex {
#define GGML_SCHED_INDEX(name) F_##name,
    GGML_SCHED_CALLED_FUNCTIONS(GGML_SCHED_INDEX) GGML_SCHED_PROOF_FUNCTIONS(GGML_SCHED_INDEX)
        GGML_SCHED_OPTIONAL_FUNCTIONS(GGML_SCHED_INDEX)
#undef GGML_SCHED_INDEX
            kFunctionCount
};

// The index of a function of ggml's scheduler in BoundGgml::stock is S_<name>.
enum StockIndex {
#define GGML_SCHED_INDEX(name) S_##name,
    GGML_SCHED_STOCK_FUNCTIONS(GGML_SCHED_INDEX) GGML_SCHED_LATE_STOCK_FUNCTIONS(GGML_SCHED_INDEX)
#undef GGML_SCHED_INDEX
        kStockCount
};

constexpr int kMostOps = 256; // more than any ggml has

// OpTable - what the scheduler knows of the operations of a ggml, by their numbers.
struct OpTable {
    std::array<int, static_cast<size_t>(KnownOp::Count)> number = {}; // of each KnownOp; kMostOps if it has none
    std::array<bool, kMostOps> row_by_row = {};                       // see host::is_row_by_row()
    std::array<bool, kMostOps> in_place = {};                         // may put their result where an operand was
    bool weights_place_flash_attn = true;                             // older ggmls: weights decide where it runs
};

struct BoundGgml {
    std::string path;                                  // of the library that has the scheduler
    std::string version;                               // as ggml_version() tells; "" if it does not
    std::array<void *, kFunctionCount> functions = {}; // NULL: this ggml does not export it
    std::array<void *, kStockCount> stock = {};
    Layout layout = {};
    OpTable ops;
    void * handle = nullptr;  // keeps the library open
    bool is_attached = false; // false: our scheduler must not be used with it
};

// Binds the functions of a library that is open, and finds its operations. Returns "", or why this cannot be.
std::string bind_functions(BoundGgml & ggml, void * handle);

// Returns the ggml whose functions the code at this address calls. Says once on stderr if it cannot be attached.
// Returns NULL if there is none, or no memory.
const BoundGgml * bind(const void * code) noexcept;

// Writes a line to stderr, since engines hide lines of the log.
void log_line(const char * text);

// Returns the ggml that this thread works with. There must be one.
const BoundGgml & current();

// Scope - makes a ggml the current one of this thread, as long as the object lives.
class Scope {
  public:
    explicit Scope(const BoundGgml & ggml);
    ~Scope();
    Scope(const Scope &) = delete;
    Scope & operator=(const Scope &) = delete;

  private:
    const BoundGgml * before_;
};

// Calls a function of the ggml by its name: GGML_SCHED_CALL(ggml, ggml_nbytes)(tensor).
#define GGML_SCHED_CALL(ggml, name)                                                                                    \
    reinterpret_cast<decltype(&::name)>((ggml).functions[::ggml_sched::attach::F_##name])

} // namespace ggml_sched::attach
