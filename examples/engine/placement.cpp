#include "placement.h"

#include <algorithm>
#include <cstdint>

namespace engine {

Placement place_layers(int n_layer, int ngl, int n_accelerators) {
    const int cpu = n_accelerators;
    Placement placement;
    placement.layers.assign(n_layer, cpu);
    placement.output = cpu;
    const int moved = n_accelerators > 0 ? std::clamp(ngl, 0, n_layer) : 0;
    for (int i = 0; i < moved; i++) {
        placement.layers[n_layer - moved + i] = static_cast<int>(static_cast<int64_t>(i) * n_accelerators / moved);
    }
    if (n_accelerators > 0 && ngl > n_layer) {
        placement.output = n_accelerators - 1;
    }
    return placement;
}

} // namespace engine
