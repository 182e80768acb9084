#include "imports.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "functions.h"

namespace ggml_sched::attach {

namespace {

constexpr const char * kPrefix = "ggml_backend_sched_";

bool is_known(const char * name) {
    static constexpr std::array kNames = {
#define GGML_SCHED_NAME(function) #function,
        GGML_SCHED_STOCK_FUNCTIONS(GGML_SCHED_NAME) GGML_SCHED_LATE_STOCK_FUNCTIONS(GGML_SCHED_NAME)
#undef GGML_SCHED_NAME
    };
    const char * const function = name + std::strlen(kPrefix);
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](const char * known) { return std::strcmp(known, function) == 0; });
}

// SymbolTable - the dynamic symbols of an object. Those that it imports come first.
struct SymbolTable {
    const ElfW(Sym) * symbols = nullptr;
    const char * strings = nullptr;
    size_t strings_size = 0;
    size_t size = 0; // how many may be imports
};

// Returns how many symbols may be imports. `hash` is the object's GNU hash table: its length in buckets, and the first
// symbol that is in it. The linker writes 1 there if the object exports nothing.
size_t count_imports(const uint32_t * hash, const SymbolTable & table) {
    const uint32_t * const buckets = hash + 4 + hash[2] * sizeof(ElfW(Addr)) / sizeof(uint32_t);
    if (std::any_of(buckets, buckets + hash[0], [](uint32_t first) { return first != 0; })) {
        return hash[1];
    }
    const auto begin = reinterpret_cast<uintptr_t>(table.symbols);
    const auto end = reinterpret_cast<uintptr_t>(table.strings); // Linkers put the names behind the symbols.
    return end > begin ? (end - begin) / sizeof(ElfW(Sym)) : 0;
}

// Returns what lies at an address, which the loader gives as a number.
template <typename T> const T * at(ElfW(Addr) address) {
    return reinterpret_cast<const T *>(address); // NOLINT(performance-no-int-to-ptr)
}

SymbolTable symbols_of(const dl_phdr_info & object, const ElfW(Dyn) * dynamic) {
    SymbolTable table;
    const uint32_t * gnu_hash = nullptr;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        // The loader makes addresses absolute, but for the kernel's object.
        const ElfW(Addr) value = dynamic->d_un.d_ptr;
        const ElfW(Addr) address = value < object.dlpi_addr ? object.dlpi_addr + value : value;
        switch (dynamic->d_tag) {
        case DT_SYMTAB: table.symbols = at<ElfW(Sym)>(address); break;
        case DT_STRTAB: table.strings = at<char>(address); break;
        case DT_STRSZ: table.strings_size = value; break;
        case DT_HASH: table.size = at<uint32_t>(address)[1]; break;
        case DT_GNU_HASH: gnu_hash = at<uint32_t>(address); break;
        default: break;
        }
    }
    if (!table.symbols || !table.strings) {
        return {};
    }
    table.size = table.size == 0 && gnu_hash ? count_imports(gnu_hash, table) : table.size;
    return table;
}

// Notes the first unknown import of an object in `found`, which is a std::string. Returns 1 to end the walk.
int find_in(dl_phdr_info * object, size_t /*size*/, void * found) {
    for (int i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) {
            continue;
        }
        const SymbolTable table = symbols_of(*object, at<ElfW(Dyn)>(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr));
        for (size_t k = 0; k < table.size; k++) {
            const ElfW(Sym) & symbol = table.symbols[k];
            const char * const name = table.strings + symbol.st_name;
            if (symbol.st_shndx == SHN_UNDEF && symbol.st_name < table.strings_size &&
                std::strncmp(name, kPrefix, std::strlen(kPrefix)) == 0 && !is_known(name)) {
                const std::string caller = object->dlpi_name[0] != '\0' ? object->dlpi_name : "the program";
                *static_cast<std::string *>(found) =
                    caller + " calls " + name + ", which only ggml's own scheduler has";
                return 1;
            }
        }
    }
    return 0;
}

} // namespace

std::string unknown_import() {
    std::string found;
    (void) dl_iterate_phdr(find_in, &found);
    return found;
}

} // namespace ggml_sched::attach
