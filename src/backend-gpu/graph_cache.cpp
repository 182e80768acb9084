#include "graph_cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr size_t kMaxEntries = 64;

void append_bytes(std::vector<uint64_t> & words, const void * bytes, size_t size) {
    const size_t at = words.size();
    words.resize(at + (size + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    std::memcpy(words.data() + at, bytes, size);
}

void append_tensor(std::vector<uint64_t> & words, const ggml_tensor * t) {
    words.push_back(reinterpret_cast<uintptr_t>(t->data));
    words.push_back(static_cast<uint64_t>(t->type));
    append_bytes(words, t->ne, sizeof(t->ne));
    append_bytes(words, t->nb, sizeof(t->nb));
}

uint64_t hash_of(const std::vector<uint64_t> & words) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const uint64_t word : words) {
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

bool is_enabled() {
    const char * value = std::getenv("GGML_SCHED_GPU_GRAPHS");
    return value == nullptr || std::strcmp(value, "0") != 0;
}

} // namespace

GraphCache::GraphCache()
    : enabled_(is_enabled()) {}

void GraphCache::make_key(const std::vector<ggml_tensor *> & nodes) {
    key_.clear();
    for (const ggml_tensor * node : nodes) {
        key_.push_back(static_cast<uint64_t>(node->op));
        append_bytes(key_, node->op_params, sizeof(node->op_params));
        append_tensor(key_, node);
        for (const ggml_tensor * src : node->src) {
            if (src != nullptr) {
                append_tensor(key_, src);
            } else {
                key_.push_back(0);
            }
        }
    }
}

GraphCache::Entry & GraphCache::find(const std::vector<ggml_tensor *> & nodes, bool & is_new) {
    make_key(nodes);
    const uint64_t hash = hash_of(key_);
    ++clock_;
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry & entry) { return entry.hash == hash && entry.key == key_; });
    is_new = found == entries_.end();
    if (!is_new) {
        found->last_use = clock_;
        return *found;
    }
    Entry * entry = nullptr;
    if (entries_.size() < kMaxEntries) {
        entry = &entries_.emplace_back();
    } else {
        entry = &*std::min_element(entries_.begin(), entries_.end(),
                                   [](const Entry & a, const Entry & b) { return a.last_use < b.last_use; });
        if (entry->exec != nullptr) {
            (void) destroy_graph_exec(entry->exec);
        }
        *entry = {};
    }
    entry->key = key_;
    entry->hash = hash;
    entry->last_use = clock_;
    return *entry;
}

void GraphCache::clear() {
    for (const Entry & entry : entries_) {
        if (entry.exec != nullptr) {
            (void) destroy_graph_exec(entry.exec);
        }
    }
    entries_.clear();
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
