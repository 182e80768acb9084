// Proves the layout of each ggml that is named on the command line, and that every other layout is refused.
//
//   ggml-sched-attach-proof LIBGGML-BASE...
//
// Prints a line for each library: its version, and when ggml had its layout. Ends with 1 if a library has no
// known layout, or more than one, or if the proof accepts a layout in which one field is shifted.

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include "bound_ggml.h"
#include "proof.h"

namespace ggml_sched::attach {
namespace {

constexpr size_t kFirstField = offsetof(Layout, backend);
constexpr size_t kFields = (sizeof(Layout) - kFirstField) / sizeof(size_t);

// Returns how many layouts with one field shifted the proof accepts.
int count_accepted_shifts(const BoundGgml & ggml, const Layout & layout) {
    int n_accepted = 0;
    for (size_t i = 0; i < kFields; i++) {
        for (const ptrdiff_t shift : {-8, -4, 4, 8}) {
            Layout shifted = layout;
            char * const field = reinterpret_cast<char *>(&shifted) + kFirstField + i * sizeof(size_t);
            size_t offset = 0;
            std::memcpy(&offset, field, sizeof(offset));
            if (offset == kAbsent || static_cast<ptrdiff_t>(offset) + shift < 0) {
                continue;
            }
            offset += static_cast<size_t>(shift);
            std::memcpy(field, &offset, sizeof(offset));
            if (disprove(ggml, shifted).empty()) {
                std::printf("field %zu shifted by %td is accepted\n", i, shift);
                n_accepted++;
            }
        }
    }
    return n_accepted;
}

bool is_proved(const char * path) {
    void * const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    BoundGgml ggml;
    if (const std::string why = handle ? bind_functions(ggml, handle) : dlerror(); !why.empty()) {
        std::printf("%s: %s\n", path, why.c_str());
        return false;
    }
    int n_layouts = 0;
    for (const Layout & layout : known_layouts()) {
        if (disprove(ggml, layout).empty()) {
            std::printf("%s has the layout: %s\n", ggml.version.c_str(), layout.age);
            n_layouts++;
            ggml.layout = layout;
        }
    }
    return n_layouts == 1 && count_accepted_shifts(ggml, ggml.layout) == 0;
}

} // namespace
} // namespace ggml_sched::attach

int main(int argc, char ** argv) {
    bool are_proved = argc > 1;
    for (int i = 1; i < argc; i++) {
        are_proved = ggml_sched::attach::is_proved(argv[i]) && are_proved;
    }
    return are_proved ? 0 : 1;
}
