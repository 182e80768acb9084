// Memo - the last few values that a stage has made, each with the key that it was made for. A memo owns its keys and
// values. One thread at a time uses it.

#pragma once

#include <cstddef>
#include <list>
#include <utility>

namespace ggml_sched {

template <typename Key, typename Value> class Memo {
  public:
    // `most` is the number of values that are kept.
    explicit Memo(size_t most)
        : most_(most) {}

    // Returns a value for which `fits(key, value)` is true; NULL if there is none. If several fit, it is the one
    // that was used last. The pointer is valid until the value is forgotten.
    template <typename Fits> Value * find(const Fits & fits) {
        for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
            if (fits(kept->first, kept->second)) {
                kept_.splice(kept_.begin(), kept_, kept);
                return &kept->second;
            }
        }
        return nullptr;
    }
    // Keeps a value. If there are too many, the memo forgets the value that was not used for the longest time.
    Value & add(Key key, Value value) {
        kept_.emplace_front(std::move(key), std::move(value));
        if (kept_.size() > most_) {
            kept_.pop_back();
        }
        return kept_.front().second;
    }
    // Returns the value that fits, or keeps the key and value that `make()` returns.
    template <typename Fits, typename Make> Value & get(const Fits & fits, const Make & make) {
        if (Value * const found = find(fits)) {
            return *found;
        }
        auto [key, value] = make();
        return add(std::move(key), std::move(value));
    }
    // Forgets each value for which `fits(key, value)` is true.
    template <typename Fits> void forget_if(const Fits & fits) {
        kept_.remove_if([&](const std::pair<Key, Value> & kept) { return fits(kept.first, kept.second); });
    }
    void forget() noexcept { kept_.clear(); }

  private:
    size_t most_;
    std::list<std::pair<Key, Value>> kept_; // the one that was used last comes first
};

} // namespace ggml_sched
