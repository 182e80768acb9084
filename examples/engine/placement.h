// placement.h - which device each layer lives on.

#pragma once

#include <vector>

namespace engine {

struct Placement {
    std::vector<int> layers; // index of the device, per transformer layer
    int output = 0;          // of the output norm and matrix
};

// ngl: how many layers leave the CPU, counted from the end; more than n_layer takes the output along, as in llama.cpp.
// The layers are spread evenly and in order over the accelerators; the output joins the last of them. The CPU has the
// index n_accelerators.
Placement place_layers(int n_layer, int ngl, int n_accelerators);

} // namespace engine
