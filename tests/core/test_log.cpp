#include "core_test.h"

using core_test::LogCapture;

TEST(Log, PassesLevelTextAndArgumentToTheCallback) {
    LogCapture log;
    GGML_LOG_ERROR("%d of %s\n", 3, "seven");
    GGML_LOG_INFO("hint\n");
    EXPECT_EQ(log.errors, std::vector<std::string>{"3 of seven\n"});
    EXPECT_EQ(log.others, std::vector<std::string>{"hint\n"});
}

TEST(Log, LongLinesArriveWhole) {
    LogCapture log;
    for (const size_t length : {510u, 511u, 512u, 513u, 100000u}) {
        const std::string line(length, 'x');
        log.errors.clear();
        GGML_LOG_ERROR("%s", line.c_str());
        EXPECT_EQ(log.errors, std::vector<std::string>{line});
    }
}

TEST(Log, WithoutACallbackTheDefaultOnePrintsToStderr) {
    ggml_log_callback before = nullptr;
    void * before_data = nullptr;
    ggml_log_get(&before, &before_data);
    ggml_log_set(nullptr, nullptr);
    ggml_log_callback now = nullptr;
    ggml_log_get(&now, nullptr);
    ggml_log_get(nullptr, nullptr);
    ASSERT_NE(now, nullptr);
    testing::internal::CaptureStderr();
    GGML_LOG_WARN("through the library\n");
    now(GGML_LOG_LEVEL_INFO, "straight\n", nullptr);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "through the library\nstraight\n");
    ggml_log_set(before, before_data);
}

TEST(LogDeathTest, AbortPrintsPlaceAndMessage) {
    EXPECT_DEATH(ggml_abort("a_file.c", 12, "value %d", 5), "a_file.c:12: value 5");
    EXPECT_DEATH(GGML_ASSERT(1 == 2), "GGML_ASSERT\\(1 == 2\\) failed");
}
