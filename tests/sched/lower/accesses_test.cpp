// Which bytes a launch is said to read and write: no more than its nodes touch, and nothing missing that others have to
// be ordered with.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "ggml-backend-impl.h"
#include "lower/accesses.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kUnit = 64; // bytes; tensors begin at multiples
constexpr size_t kUnits = 48;

// One value per unit of the buffer
using Bytes = std::vector<bool>;

// By some nodes
struct Touched {
    Bytes reads = Bytes(kUnits, false);
    Bytes early_reads = Bytes(kUnits, false); // before one of them has written it
    Bytes writes = Bytes(kUnits, false);
};

// A host buffer, and a graph over tensors that share its bytes at random, as reused memory does
class Scene {
  public:
    explicit Scene(uint32_t seed)
        : random_(seed) {
        for (int i = 0; i < 6; i++) {
            tensors_.push_back(place(ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, some_size())));
        }
        for (int i = 0; i < 20; i++) {
            ggml_tensor * node = place(ggml_scale(context_.get(), some_operand(), 2.0f));
            tensors_.push_back(node);
            nodes_.push_back(node);
        }
        for (ggml_tensor * node : nodes_) {
            ggml_build_forward_expand(graph_, node);
        }
        view_.build(graph_);
    }

    const GraphView & view() const { return view_; }
    int some_index() { return static_cast<int>(random_() % (view_.nodes().size() + 1)); }

    Touched touched_by(int begin, int end) const {
        Touched touched;
        for (int i = begin; i < end; i++) {
            const GraphNode & node = view_.nodes()[i];
            if (node.is_view) {
                continue;
            }
            for (const Operand & operand : view_.operands_of(node)) {
                for (const size_t unit : units_of(view_.tensor(operand.tensor))) {
                    touched.reads[unit] = true;
                    touched.early_reads[unit] = touched.early_reads[unit] || !touched.writes[unit];
                }
            }
            for (const size_t unit : units_of(view_.tensor(node.tensor))) {
                touched.writes[unit] = true;
            }
        }
        return touched;
    }

    Bytes covered(const std::vector<plan::Access> & accesses, bool write) const {
        Bytes bytes(kUnits, false);
        for (const plan::Access & access : accesses) {
            for (size_t unit = 0; access.write == write && unit < kUnits; unit++) {
                const uint64_t at = base() + unit * kUnit;
                bytes[unit] = bytes[unit] || (access.begin <= at && at < access.end);
            }
        }
        return bytes;
    }

  private:
    uint64_t base() const { return reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer_.get())); }
    int64_t some_size() { return static_cast<int64_t>((1 + random_() % 6) * kUnit / sizeof(float)); }

    ggml_tensor * some_operand() {
        ggml_tensor * tensor = tensors_[random_() % tensors_.size()];
        const size_t n = ggml_nbytes(tensor) / kUnit;
        if (random_() % 3 != 0 || n < 2) {
            return tensor;
        }
        const size_t first = random_() % n; // a part of it
        return ggml_view_1d(context_.get(), tensor, static_cast<int64_t>((n - first) * kUnit / sizeof(float)),
                            first * kUnit);
    }

    ggml_tensor * place(ggml_tensor * tensor) {
        const size_t at = random_() % (kUnits - ggml_nbytes(tensor) / kUnit);
        tensor->buffer = buffer_.get();
        tensor->data = static_cast<char *>(ggml_backend_buffer_get_base(buffer_.get())) + at * kUnit;
        return tensor;
    }

    std::vector<size_t> units_of(const ggml_tensor * tensor) const {
        const ggml_tensor * root = tensor->view_src ? tensor->view_src : tensor;
        const uint64_t begin = reinterpret_cast<uintptr_t>(root->data) + (tensor->view_src ? tensor->view_offs : 0);
        std::vector<size_t> units;
        for (uint64_t at = begin; at < begin + ggml_nbytes(tensor); at += kUnit) {
            units.push_back((at - base()) / kUnit);
        }
        return units;
    }

    std::mt19937 random_;
    ContextPtr context_ = make_context();
    BufferPtr buffer_{ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), kUnits * kUnit)};
    ggml_cgraph * graph_ = ggml_new_graph(context_.get());
    std::vector<ggml_tensor *> tensors_;
    std::vector<ggml_tensor *> nodes_;
    GraphView view_;
};

bool is_part_of(const Bytes & part, const Bytes & whole) {
    for (size_t unit = 0; unit < kUnits; unit++) {
        if (part[unit] && !whole[unit]) {
            return false;
        }
    }
    return true;
}

// As the planner needs them: in order, and none touches the next
void expect_merged(const std::vector<plan::Access> & accesses, size_t first) {
    for (size_t i = first + 1; i < accesses.size(); i++) {
        const plan::Access & a = accesses[i - 1];
        const plan::Access & b = accesses[i];
        EXPECT_TRUE(a.space < b.space || (a.space == b.space && a.write < b.write) ||
                    (a.space == b.space && a.write == b.write && a.end < b.begin));
    }
}

// Of one scene, with what they need
struct Launches {
    explicit Launches(const Scene & scene)
        : accesses(scene.view(), buffers) {}

    Spaces spaces;
    BufferTable buffers{spaces};
    LaunchAccesses accesses;
};

TEST(LaunchAccesses, AreWhatTheNodesTouchWhereverTheirMemoryLies) {
    for (uint32_t seed = 0; seed < 500; seed++) {
        SCOPED_TRACE(seed);
        Scene scene(seed);
        Launches launches(scene);
        std::vector<plan::Access> accesses;
        for (int i = 0; i < 8; i++) { // one after another, by the same object
            const auto [begin, end] = std::minmax({scene.some_index(), scene.some_index()});
            const size_t first = accesses.size();
            launches.accesses.append(begin, end, accesses);
            expect_merged(accesses, first);
            const std::vector<plan::Access> launch(accesses.begin() + static_cast<std::ptrdiff_t>(first),
                                                   accesses.end());
            const Touched touched = scene.touched_by(begin, end);
            EXPECT_EQ(scene.covered(launch, true), touched.writes);
            EXPECT_TRUE(is_part_of(scene.covered(launch, false), touched.reads)) << "nobody reads that";
            EXPECT_TRUE(is_part_of(touched.early_reads, scene.covered(launch, false))) << "what others wrote is read";
        }
    }
}

TEST(LaunchAccesses, OfAnObserverAreAllReads) {
    for (uint32_t seed = 0; seed < 100; seed++) {
        SCOPED_TRACE(seed);
        const Scene scene(seed);
        Launches launches(scene);
        const auto n = static_cast<int>(scene.view().nodes().size());
        std::vector<plan::Access> accesses;
        launches.accesses.append_observed(0, n, accesses);
        expect_merged(accesses, 0);
        const Touched touched = scene.touched_by(0, n);
        EXPECT_EQ(scene.covered(accesses, true), Bytes(kUnits, false));
        EXPECT_TRUE(is_part_of(touched.reads, scene.covered(accesses, false)));
        EXPECT_TRUE(is_part_of(touched.writes, scene.covered(accesses, false)));
    }
}

} // namespace
} // namespace ggml_sched::test
