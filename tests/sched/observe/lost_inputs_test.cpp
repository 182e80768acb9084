// Inputs that are lost before their split is launched, in programs that are in order otherwise.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "observe/lost_inputs.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

using plan::Task;
using plan::TaskKind;

constexpr plan::Space kDevice = plan::kFirstBufferSpace;
constexpr uint32_t kCopies = 6;

using Needs = std::vector<std::vector<uint32_t>>; // copies, by split

// Copies named a, b, ...; split i needs those that are said for it.
class Scene {
  public:
    explicit Scene(Needs inputs) {
        for (std::vector<uint32_t> & copies : inputs) {
            splits_.splits.push_back({0, 0, 0, std::move(copies)});
        }
        for (uint32_t copy = 0; copy < kCopies; copy++) {
            tensors_.push_back(ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, 1));
            ggml_set_name(tensors_.back(), std::string(1, static_cast<char>('a' + copy)).c_str());
            CopyBinding binding = {};
            binding.copy = copy;
            binding.src = binding.dst = tensors_.back();
            lowered_.copies.push_back(binding);
        }
    }

    Scene & copy(uint32_t copy, uint64_t begin, uint64_t end, plan::Space space = kDevice) {
        return add(TaskKind::SetAsync, copy, {space, true, begin, end});
    }
    Scene & launch(uint32_t split, uint64_t begin, uint64_t end) {
        return add(TaskKind::Launch, split, {kDevice, true, begin, end});
    }
    std::string check() const { return find_lost_input(lowered_, splits_); }

  private:
    Scene & add(TaskKind kind, uint32_t binding, const plan::Access & write) {
        Task task = {kind, 1};
        task.binding = binding;
        task.first_access = static_cast<uint32_t>(lowered_.program.accesses.size());
        task.n_accesses = 2;
        lowered_.program.accesses.push_back({write.space, false, 0, 1000}); // reads do no harm
        lowered_.program.accesses.push_back(write);
        lowered_.program.tasks.push_back(task);
        return *this;
    }

    ContextPtr context_ = make_context();
    std::vector<ggml_tensor *> tensors_;
    Splits splits_;
    Lowered lowered_;
};

TEST(Inputs, AreLostWhereAnotherCopyTakesTheirPlaceTooEarly) {
    EXPECT_EQ(Scene(Needs{{0, 1}, {2}}).copy(0, 0, 8).copy(1, 8, 16).copy(2, 16, 24).launch(0, 30, 31).check(), "");
    EXPECT_EQ(Scene(Needs{{0}, {1}}).copy(0, 0, 8).copy(1, 7, 9).launch(0, 30, 31).launch(1, 30, 31).check(),
              "'a' has been copied for a split, and before that is launched, the copy of 'b' overwrites it");
    EXPECT_EQ(Scene(Needs{{0}, {1}}).copy(0, 0, 8).launch(0, 30, 31).copy(1, 7, 9).launch(1, 30, 31).check(), "")
        << "it has been read";
    EXPECT_EQ(Scene(Needs{{0}, {1}}).copy(0, 0, 8).copy(1, 7, 9, kDevice + 1).launch(0, 30, 31).check(), "")
        << "on another device";
}

TEST(Inputs, AreLostWhereAnEarlierSplitComputesInTheirPlace) {
    EXPECT_EQ(Scene(Needs{{0}, {1}}).copy(1, 8, 16).copy(0, 0, 8).launch(0, 15, 20).launch(1, 8, 16).check(),
              "'b' has been copied for a split, and before that is launched, split 0 overwrites it");
    EXPECT_EQ(Scene(Needs{{0}}).copy(0, 0, 8).launch(0, 0, 8).check(), "") << "in place";
}

TEST(Inputs, AreNotLostWherePartsOfThemAreSentAgain) {
    EXPECT_EQ(Scene(Needs{{0}}).copy(0, 0, 8).copy(0, 2, 4).copy(0, 6, 8).launch(0, 30, 31).check(), "");
}

TEST(Inputs, ThatPassThroughTheRunsOwnRingAreNoInputsYet) {
    EXPECT_EQ(Scene(Needs{{0}, {1}}).copy(0, 0, 8, plan::kRing).copy(1, 0, 8, plan::kRing).launch(0, 0, 1).check(), "");
}

// Copies through the ring: 8 bytes each, of the tensor that the letter names
class RingScene {
  public:
    explicit RingScene(size_t ring_bytes) {
        lowered_.ring_bytes = ring_bytes;
        splits_.splits.push_back({0, 0, 0, {}});
    }

    RingScene & snapshot(char tensor, size_t at) { return add(TaskKind::Snapshot, tensor, at); }
    RingScene & fetch(char tensor, size_t at) { return add(TaskKind::GetAsync, tensor, at); }
    RingScene & copy(char tensor, size_t at) { return add(TaskKind::SetAsync, tensor, at); }
    RingScene & copy_two(char first, size_t at, char second, size_t second_at) {
        add(TaskKind::SetAsync, first, at);
        lowered_.copies.back().n_merged = 2;
        bind(second, second_at);
        return *this;
    }
    RingScene & copy_by_ids(char tensor, size_t at, char ids, size_t ids_at) {
        bind(ids, ids_at);
        add(TaskKind::SetAsync, tensor, at);
        lowered_.copies.back().ids = static_cast<uint32_t>(lowered_.copies.size() - 2);
        return *this;
    }
    std::string check() const { return find_lost_input(lowered_, splits_); }

  private:
    void bind(char tensor, size_t at) {
        CopyBinding binding = {};
        binding.copy = static_cast<uint32_t>(tensor - 'a');
        binding.tensor = binding.copy;
        binding.src = binding.dst = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, 2);
        ggml_set_name(binding.src, std::string(1, tensor).c_str());
        binding.bytes = 8;
        binding.via_ring = true;
        binding.ring_offset = at;
        lowered_.copies.push_back(binding);
    }
    RingScene & add(TaskKind kind, char tensor, size_t at) {
        bind(tensor, at);
        Task task = {kind, 1};
        task.binding = static_cast<uint32_t>(lowered_.copies.size() - 1);
        lowered_.program.tasks.push_back(task);
        return *this;
    }

    ContextPtr context_ = make_context();
    Splits splits_;
    Lowered lowered_;
};

TEST(Inputs, OverwrittenInTheRingAreReported) {
    EXPECT_EQ(RingScene(16).snapshot('a', 0).snapshot('b', 8).copy('a', 0).copy('b', 8).check(), "");
    EXPECT_EQ(RingScene(16).snapshot('a', 0).copy('a', 0).snapshot('b', 0).copy('b', 0).check(), "") << "one by one";
    EXPECT_EQ(RingScene(16).snapshot('a', 0).copy('a', 0).copy('a', 0).check(), "") << "for two devices";
    EXPECT_EQ(RingScene(16).snapshot('a', 0).fetch('b', 4).copy('a', 0).check(),
              "'a' is not in the ring when it is copied");
    EXPECT_EQ(RingScene(16).fetch('a', 8).copy('a', 0).check(), "'a' is not in the ring when it is copied");
    EXPECT_EQ(RingScene(16).copy('a', 0).snapshot('a', 0).check(), "'a' is not in the ring when it is copied");
    EXPECT_EQ(RingScene(16).snapshot('a', 0).copy('b', 0).check(), "'b' is not in the ring when it is copied");
}

TEST(Inputs, OverwrittenAsMergedCopiesOrIdsAreReported) {
    EXPECT_EQ(RingScene(16).snapshot('a', 0).snapshot('b', 8).copy_two('a', 0, 'b', 8).check(), "");
    EXPECT_EQ(RingScene(16).snapshot('a', 0).snapshot('c', 8).copy_two('a', 0, 'b', 8).check(),
              "'b' is not in the ring when it is copied");
    EXPECT_EQ(RingScene(16).snapshot('a', 0).snapshot('b', 8).copy_by_ids('a', 0, 'b', 8).check(), "");
    EXPECT_EQ(RingScene(16).snapshot('a', 0).copy_by_ids('a', 0, 'b', 8).check(),
              "'b' is not in the ring when it is copied");
}

TEST(Inputs, AreNotPutBeyondTheEndOfTheRing) {
    EXPECT_EQ(RingScene(15).snapshot('a', 0).snapshot('b', 8).check(),
              "the copy of 'b' goes beyond the end of the ring");
}

// Against a map of bytes
TEST(Inputs, AreLostExactlyWhereAByteIsWrittenBetweenCopyAndLaunch) {
    int n_lost = 0;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const Needs inputs = {{0}, {1, 2}, {3}, {4, 5}};
        Scene scene(inputs);
        std::vector<std::vector<bool>> kept(kCopies, std::vector<bool>(64, false));
        bool lost = false;
        const auto write = [&](uint64_t begin, uint64_t end, uint32_t own) {
            for (uint32_t copy = 0; copy < kCopies; copy++) {
                const auto from = kept[copy].begin() + static_cast<ptrdiff_t>(begin);
                lost = lost || (copy != own && std::find(from, from + static_cast<ptrdiff_t>(end - begin), true) !=
                                                   from + static_cast<ptrdiff_t>(end - begin));
            }
        };
        uint32_t next = 0;
        for (uint32_t split = 0; split < inputs.size(); split++) {
            const uint32_t ahead = inputs[split].back() + 1 + static_cast<uint32_t>(random() % 3);
            for (; next < std::min(ahead, kCopies); next++) {
                const uint64_t begin = random() % 54;
                const uint64_t end = begin + 1 + random() % 10;
                write(begin, end, next);
                scene.copy(next, begin, end);
                std::fill(kept[next].begin() + static_cast<ptrdiff_t>(begin),
                          kept[next].begin() + static_cast<ptrdiff_t>(end), true);
            }
            for (const uint32_t copy : inputs[split]) {
                kept[copy].assign(64, false);
            }
            const uint64_t begin = random() % 54;
            write(begin, begin + 4, kNoBinding);
            scene.launch(split, begin, begin + 4);
        }
        EXPECT_EQ(scene.check().empty(), !lost) << scene.check();
        n_lost += lost ? 1 : 0;
    }
    EXPECT_GT(n_lost, 50);
    EXPECT_LT(n_lost, 350);
}

} // namespace
} // namespace ggml_sched::test
