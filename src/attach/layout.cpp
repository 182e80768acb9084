#include "layout.h"

namespace ggml_sched::attach {

namespace {

constexpr size_t kWord = sizeof(void *);

// Returns the offsets of a backend whose functions begin behind its guid.
constexpr BackendLayout backend_layout(bool has_2d) {
    const size_t late = has_2d ? 2 * kWord : 0; // set_tensor_2d_async and get_tensor_2d_async lie before these
    return {1 * kWord,         2 * kWord,         3 * kWord,         4 * kWord,
            5 * kWord + late,  6 * kWord + late,  11 * kWord + late, 12 * kWord + late,
            13 * kWord + late, 14 * kWord + late, 15 * kWord + late};
}

constexpr BufferLayout buffer_layout(bool has_2d) {
    const size_t late = has_2d ? 2 * kWord : 0; // set_tensor_2d and get_tensor_2d lie before these
    return {0 * kWord,         1 * kWord,         2 * kWord,        3 * kWord,        4 * kWord,
            5 * kWord,         6 * kWord + late,  7 * kWord + late, 8 * kWord + late, 9 * kWord + late,
            10 * kWord + late, 11 * kWord + late, 12 * kWord + late};
}

constexpr BuftLayout buft_layout(bool has_n) {
    const size_t alloc_n = has_n ? kWord : 0;    // alloc_buffer_n
    const size_t size_n = has_n ? 2 * kWord : 0; // and get_alloc_size_n
    return {0 * kWord,           1 * kWord,          2 * kWord + alloc_n, 3 * kWord + alloc_n,
            4 * kWord + alloc_n, 5 * kWord + size_n, 6 * kWord + size_n};
}

constexpr DeviceLayout kDevice = {4 * kWord, 5 * kWord};

// Three numbers of four bytes come first, the hash set has three words.
constexpr GraphLayout graph_layout(bool has_uid) {
    return {0,
            4,
            8,
            2 * kWord,
            3 * kWord,
            4 * kWord,
            5 * kWord,
            6 * kWord,
            7 * kWord,
            10 * kWord,
            has_uid ? 11 * kWord : kAbsent,
            (has_uid ? 12 : 11) * kWord};
}

constexpr std::array<Layout, 4> kLayouts = {{
    {"September 2025 to April 2026", backend_layout(false), buffer_layout(false), buft_layout(false), kDevice,
     graph_layout(false)},
    {"April 2026", backend_layout(true), buffer_layout(true), buft_layout(false), kDevice, graph_layout(false)},
    {"April to October 2026", backend_layout(true), buffer_layout(true), buft_layout(false), kDevice,
     graph_layout(true)},
    {"since October 2026", backend_layout(true), buffer_layout(true), buft_layout(true), kDevice, graph_layout(true)},
}};

} // namespace

const std::array<Layout, 4> & known_layouts() {
    return kLayouts;
}

} // namespace ggml_sched::attach
