#include "adversary.h"

namespace ggml_sched::sim {

namespace {

// splitmix64 (Steele, Lea, Flood 2014)
uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

constexpr uint64_t golden_gamma = 0x9e3779b97f4a7c15u;

} // namespace

void Adversary::set_seed(uint64_t seed) {
    seed_ = seed;
    state_ = mix(seed + golden_gamma);
    n_garbage_ = 0;
}

uint64_t Adversary::next() {
    state_ += golden_gamma;
    return mix(state_);
}

Temper Adversary::draw_temper() {
    constexpr Temper tempers[] = {Temper::Starved, Temper::Starved, Temper::Mixed, Temper::Mixed, Temper::Eager};
    return is_lazy() ? Temper::Starved : tempers[below(5)];
}

size_t Adversary::draw_steps(Temper temper) {
    switch (temper) {
    case Temper::Starved: return one_in(32) ? 1 : 0;
    case Temper::Eager: return SIZE_MAX;
    case Temper::Mixed: break;
    }
    if (one_in(16)) {
        return SIZE_MAX;
    }
    size_t n = 0;
    while (one_in(2)) {
        n++;
    }
    return n;
}

uint64_t Adversary::next_garbage() {
    return mix(seed_ ^ mix(++n_garbage_));
}

} // namespace ggml_sched::sim
