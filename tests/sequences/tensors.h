// Tensors and graphs of a sequence as the model knows them: who gave a tensor its memory, and what it holds.

#pragma once

#include <string>
#include <vector>

#include "ggml.h"
#include "sequence.h"

namespace sequences {

constexpr int64_t kWidth = 4;
constexpr int64_t kRows = 32; // fewer are not worth offloading
constexpr size_t kSize = kWidth * kRows;

constexpr int64_t kCacheRows = kRows * kCacheParts;

using Values = std::vector<float>;

// Who gave a tensor its memory
enum class Home {
    None,
    Caller,
    Scheduler,
};

struct Tensor {
    enum class Kind { Leaf, Compute, View } kind = Kind::Leaf;
    Op op = Op::Scale;
    std::vector<int> src;
    int extra = 0;
    int root = 0;      // the tensor of which this is a view; itself if it is none
    size_t offset = 0; // in floats, from the root's first
    bool writes_root = false;
    bool is_ids = false; // row numbers: integers, one for each row of a value
    bool input = false;
    bool output = false;
    int slot = -1; // -1: it stays
    bool is_alive = true;
    ggml_tensor * real = nullptr;

    // The rest is about roots.
    Home home = Home::None;
    int owner = 0;            // the number of the scheduler, for Home::Scheduler
    bool is_lost = false;     // the scheduler no longer keeps this memory for the tensor
    bool is_vague = false;    // the scheduler may have taken the pointer back since
    uint64_t epoch = 0;       // of the scheduler's buffers
    bool is_writable = false; // by the caller; what is not flagged is so until the run
    bool is_known = false;    // the contents are `values`
    Values values;
};

// A graph in a slot
struct Graph {
    bool is_built = false;
    int generation = 0;
    ggml_cgraph * real = nullptr;
    std::vector<int> values;  // what other graphs may share, in the order of NodeSpec's numbers
    std::vector<int> nodes;   // in the order of execution
    std::vector<int> leafs;   // roots that the graph reads and does not compute: inputs, weights, caches
    std::vector<int> results; // roots with an operation that the graph reads and does not compute
};

class Tensors {
  public:
    Tensor & operator[](int id) { return tensors_[static_cast<size_t>(id)]; }
    const Tensor & operator[](int id) const { return tensors_[static_cast<size_t>(id)]; }
    Tensor & root_of(int id) { return (*this)[(*this)[id].root]; }
    const Tensor & root_of(int id) const { return (*this)[(*this)[id].root]; }

    int add(Tensor tensor);
    int size() const { return static_cast<int>(tensors_.size()); }
    int find(const ggml_tensor * real) const; // -1 if no tensor that is alive is this one
    std::string name_of(int id) const;

    std::vector<int> weights;
    std::vector<int> caches;

  private:
    std::vector<Tensor> tensors_;
};

// Does on vectors of floats what a node does on tensors. All results are exact: weights are signed permutations, and
// factors are powers of two.
void interpret(Tensors & tensors, int node);

// True if the values choose rows that no cache has.
bool are_bad_ids(const Values & values);

// The contents of a tensor that is no larger than a value, or of a whole root
Values contents_of(const Tensors & tensors, int id);

Values random_ids(uint64_t seed, bool is_bad);
Values random_values(size_t n, uint64_t seed);

float factor_of(int extra);                // of Op::Scale
constexpr float kStoreFactor = 1.0F / 256; // caches stay small from run to run

} // namespace sequences
