// How pairs are parted: the integers that the node on the CPU writes for the nodes behind it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "experts/parting.h"
#include "host/execute.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

RigOptions one_device() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    return options;
}

// Parts pairs by hand.
class PartedPairs : public testing::Test {
  protected:
    MissShare share_{2};
    PartedPairs() {
        experts_ = ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, 4, 4, 8);
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(host_.get(), ggml_backend_cpu_buffer_type()));
        write_floats(experts_, ramp(128));
        const std::vector<ggml_backend_t> handles = {rig_.device(0), rig_.cpu()};
        for (ggml_backend_t handle : handles) {
            backends_.push_back(host::describe(handle, ggml_backend_get_default_buffer_type(handle)));
        }
    }

    // Returns the integers of one row after the pairs of the ids have been parted.
    std::vector<int32_t> part(ExpertBank & bank, Misses misses, std::vector<int32_t> ids, int64_t n_chosen,
                              PartedRow row) {
        const auto n_pairs = static_cast<int64_t>(ids.size());
        std::vector<int32_t> integers(ids.size() * static_cast<size_t>(PartedRow::Count), -7);
        ggml_tensor ids_tensor = {};
        ids_tensor.ne[0] = n_chosen;
        ids_tensor.ne[1] = n_pairs / n_chosen;
        ids_tensor.nb[0] = sizeof(int32_t);
        ids_tensor.nb[1] = static_cast<size_t>(n_chosen) * sizeof(int32_t);
        ids_tensor.data = ids.data();
        ggml_tensor node = {};
        node.src[0] = &ids_tensor;
        node.data = integers.data();
        parting_.begin(bank, misses, &node, &ids_tensor);
        parting_.add_tensor_of_misses(&of_misses_, 1);
        ggml_custom_op_t function = nullptr;
        void * user_data = nullptr;
        std::memcpy(&function, node.op_params, sizeof(function));
        std::memcpy(&user_data, reinterpret_cast<const char *>(node.op_params) + 2 * sizeof(void *), sizeof(user_data));
        function(&node, 1, 2, user_data); // other threads do nothing
        EXPECT_EQ(integers[0], -7);
        function(&node, 0, 2, user_data);
        const auto begin = integers.begin() + static_cast<int64_t>(row) * n_pairs;
        return {begin, begin + n_pairs};
    }

    Rig rig_{one_device()};
    ContextPtr host_ = make_context();
    BufferPtr buffer_;
    ggml_tensor * experts_ = nullptr;
    std::vector<host::Backend> backends_;
    Parting parting_;
    ggml_tensor of_misses_ = {}; // has a row for each missing pair
};

TEST_F(PartedPairs, OfATokenHaveEntriesOfTheirOwn) {
    const std::unique_ptr<ExpertBank> bank = ExpertBank::make({experts_}, backends_, 0, 4, 1, share_);
    for (uint32_t seed = 0; seed < 200; seed++) {
        std::vector<int32_t> ids;
        for (uint32_t token = 0; token < 3; token++) {
            for (uint32_t i = 0; i < 4; i++) {
                ids.push_back(static_cast<int32_t>((seed * 7 + token * 5 + i * (1 + 2 * (seed % 4))) % 8));
            }
        }
        const std::vector<int32_t> entries = part(*bank, Misses::Shared, ids, 4, PartedRow::Entry);
        for (size_t token = 0; token < 3; token++) {
            std::vector<int32_t> of_token(entries.begin() + static_cast<int64_t>(token) * 4,
                                          entries.begin() + static_cast<int64_t>(token + 1) * 4);
            std::sort(of_token.begin(), of_token.end());
            EXPECT_EQ(of_token, (std::vector<int32_t>{0, 1, 2, 3})) << seed;
        }
        for (size_t pair = 0; pair < ids.size(); pair++) {
            const int entry = bank->residency().entry_of(ids[pair]);
            EXPECT_TRUE(entry == ExpertResidency::kNone || entry == entries[pair]) << seed;
        }
        bank->residency().promote();
    }
}

TEST_F(PartedPairs, ThatAreMissingAreListedInOrder) {
    const std::unique_ptr<ExpertBank> bank = ExpertBank::make({experts_}, backends_, 0, 2, 1, share_);
    bank->residency().begin_run();
    bank->residency().admit(5);
    const std::vector<int32_t> ids = {3, 5, 5, 0};
    EXPECT_EQ(part(*bank, Misses::Shared, ids, 2, PartedRow::Result), (std::vector<int32_t>{4, 1, 2, 5}));
    EXPECT_EQ(parting_.n_missed(), 2);
    EXPECT_EQ(parting_.bytes_in_entries(), 64U) << "two pairs have the same expert";
    EXPECT_EQ(of_misses_.ne[1], 2);
    parting_.restore_shapes();
    EXPECT_EQ(of_misses_.ne[1], 4) << "room for all pairs";
    EXPECT_EQ(part(*bank, Misses::Shared, ids, 2, PartedRow::Expert), (std::vector<int32_t>{3, 0, -7, -7}));
    EXPECT_EQ(part(*bank, Misses::Shared, ids, 2, PartedRow::Token), (std::vector<int32_t>{0, 1, -7, -7}));
    EXPECT_EQ(part(*bank, Misses::Shared, ids, 2, PartedRow::Pair), (std::vector<int32_t>{0, 3, -7, -7}));
}

TEST_F(PartedPairs, AreUploadedInPartWhereTheyAreShared) {
    const std::unique_ptr<ExpertBank> bank = ExpertBank::make({experts_}, backends_, 0, 4, 1, share_);
    share_.force(50);
    const std::vector<int32_t> ids = {7, 1, 6, 5, 4, 2};
    const std::vector<int32_t> results = part(*bank, Misses::Shared, ids, 3, PartedRow::Result);
    EXPECT_EQ(parting_.n_uploaded(), 2) << "of four";
    EXPECT_EQ(parting_.n_missed(), 2);
    EXPECT_EQ(parting_.bytes_on_cpu(), 2U * 64U);
    EXPECT_EQ(results, (std::vector<int32_t>{6, 1, 7, 3, 4, 5})) << "of equal scores the first experts are uploaded";
    EXPECT_NE(bank->residency().entry_of(1), ExpertResidency::kNone) << "the run has chosen it";
    EXPECT_NE(bank->residency().entry_of(2), ExpertResidency::kNone);
}

TEST_F(PartedPairs, AreNotUploadedIfTheRunNeedsAllEntries) {
    const std::unique_ptr<ExpertBank> bank = ExpertBank::make({experts_}, backends_, 0, 2, 1, share_);
    share_.force(100);
    EXPECT_EQ(part(*bank, Misses::Shared, {0, 1, 2, 3}, 2, PartedRow::Result), (std::vector<int32_t>{0, 1, 4, 5}));
    EXPECT_EQ(parting_.n_uploaded(), 0);
    EXPECT_EQ(parting_.n_missed(), 2);
}

TEST_F(PartedPairs, ThatAreUploadedAreNotMissing) {
    const std::unique_ptr<ExpertBank> bank = ExpertBank::make({experts_}, backends_, 0, 2, 1, share_);
    for (const std::vector<int32_t> & ids : {std::vector<int32_t>{3, 5}, {5, 0}, {6, 7}}) {
        EXPECT_EQ(part(*bank, Misses::Upload, ids, 2, PartedRow::Result), (std::vector<int32_t>{0, 1}));
        EXPECT_EQ(parting_.n_missed(), 0);
        for (const ExpertResidency::NewEntry & admitted : bank->residency().admissions()) {
            EXPECT_EQ(bank->residency().entry_of(admitted.expert), admitted.entry);
            EXPECT_NE(std::find(ids.begin(), ids.end(), admitted.expert), ids.end());
        }
        EXPECT_EQ(bank->residency().admissions().size(), static_cast<size_t>(parting_.n_uploaded()));
        EXPECT_GT(parting_.n_uploaded(), 0);
    }
}

} // namespace
} // namespace ggml_sched::test
