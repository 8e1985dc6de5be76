#include "base/progress_format.h"

#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProgressState State() {
  ProgressState state;
  state.description = "fp16";
  state.total = 160;
  state.done = 72;
  state.elapsed = absl::Seconds(31);
  state.rate = 2.314;
  state.fields = {{"loss", 0.41237}, {"mIoU", 0.7}};
  return state;
}

size_t CodePoints(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST(FormatBarTest, AsciiBarHasEveryField) {
  EXPECT_EQ(FormatBar(State(), {78, false, false}),
            "fp16:  45%|####5     | 72/160 [00:31<00:38, 2.31step/s, "
            "loss=0.4124, mIoU=0.7]");
}

TEST(FormatBarTest, Utf8BarUsesEighths) {
  EXPECT_THAT(FormatBar(State(), {78, true, false}), HasSubstr("|████▌     |"));
}

TEST(FormatBarTest, ABarIsFullOnlyAtTheEnd) {
  ProgressState state = State();
  state.total = 1000;
  state.done = 999;
  EXPECT_THAT(FormatBar(state, {90, false, false}), HasSubstr(" 99%|#"));
  state.done = 1000;
  EXPECT_THAT(FormatBar(state, {90, false, false}), HasSubstr("100%|########"));
}

TEST(FormatBarTest, NoWidthIsExceeded) {
  ProgressState state = State();
  state.description = "nvfp4 µ-net";
  for (const bool utf8 : {false, true}) {
    for (int64_t total : {0, 160}) {
      state.total = total;
      for (int width = 0; width < 130; ++width) {
        EXPECT_LE(CodePoints(FormatBar(state, {width, utf8, false})),
                  static_cast<size_t>(width));
      }
    }
  }
}

TEST(FormatBarTest, NarrowTerminalsLoseTheBarThenFields) {
  const std::string without_bar = FormatBar(State(), {66, false, false});
  EXPECT_THAT(without_bar, Not(HasSubstr("|")));
  EXPECT_THAT(without_bar, HasSubstr("mIoU=0.7"));
  const std::string without_last = FormatBar(State(), {56, false, false});
  EXPECT_THAT(without_last, HasSubstr("loss=0.4124]"));
  EXPECT_EQ(FormatBar(State(), {20, false, false}), "fp16:  45% 72/160 [0");
}

TEST(FormatBarTest, NonFiniteIsRedAndNamed) {
  ProgressState state = State();
  state.fields = {{"loss", std::nan("")},
                  {"norm", -std::numeric_limits<double>::infinity()},
                  {"lr", 1e-3}};
  const std::string plain = FormatBar(state, {100, false, false});
  EXPECT_THAT(plain, HasSubstr("loss=NaN, norm=-Inf, lr=0.001]"));
  EXPECT_THAT(FormatBar(state, {100, false, true}),
              HasSubstr(", \033[31mloss=NaN\033[0m, \033[31mnorm=-Inf\033[0m, "
                        "lr=0.001]"));
}

TEST(FormatBarTest, UnknownTotalAndRate) {
  ProgressState state = State();
  state.total = 0;
  state.rate = 0.0;
  state.fields.clear();
  EXPECT_EQ(FormatBar(state, {80, false, false}),
            "fp16: 72 step [00:31, ?step/s]");
  state.total = 160;
  EXPECT_THAT(FormatBar(state, {80, false, false}), HasSubstr("[00:31<?, "));
}

TEST(FormatLineTest, IsPlainKeyValueText) {
  const std::string line = FormatLine(State(), absl::FromUnixSeconds(0));
  EXPECT_THAT(line, HasSubstr(" fp16 72/160 45% elapsed=00:31 eta=00:38 "
                              "rate=2.31step/s loss=0.4124 mIoU=0.7"));
  EXPECT_EQ(line,
            absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(0),
                             absl::LocalTimeZone()) +
                line.substr(19));
}

TEST(FormatClockTest, AddsHoursWhenNeeded) {
  EXPECT_EQ(FormatClock(absl::Seconds(12.9)), "00:12");
  EXPECT_EQ(FormatClock(absl::Seconds(3725)), "1:02:05");
}

TEST(FormatRateTest, TurnsOverBelowOneASecond) {
  EXPECT_EQ(FormatRate(0.25, "step"), "4.00s/step");
  EXPECT_EQ(FormatRate(12.0, "img"), "12.00img/s");
  EXPECT_EQ(FormatRate(0.0, "B"), "?B/s");
}

TEST(FormatCountTest, SiPrefixesHaveThreeDigits) {
  EXPECT_EQ(FormatCount(1234567, /*unit_scale=*/false), "1234567");
  EXPECT_EQ(FormatCount(17, /*unit_scale=*/true), "17.0");
  EXPECT_EQ(FormatCount(999, /*unit_scale=*/true), "999");
  EXPECT_EQ(FormatCount(999499, /*unit_scale=*/true), "999k");
  EXPECT_EQ(FormatCount(999500, /*unit_scale=*/true), "1.00M");
  EXPECT_EQ(FormatCount(int64_t{1} << 30, /*unit_scale=*/true), "1.07G");
  EXPECT_EQ(FormatRate(4.12e8, "B", /*unit_scale=*/true), "412MB/s");
}

TEST(FormatCountTest, BarAndLineScale) {
  ProgressState state;
  state.description = "x";
  state.unit = "B";
  state.unit_scale = true;
  state.total = 2'000'000'000;
  state.done = 500'000'000;
  state.rate = 1e9;
  EXPECT_NE(FormatBar(state, {}).find("500M/2.00G [00:00<00:01, 1.00GB/s]"),
            std::string::npos)
      << FormatBar(state, {});
  EXPECT_NE(FormatLine(state, absl::UnixEpoch()).find("x 500M/2.00G 25%"),
            std::string::npos);
}

TEST(FormatJsonTest, IsAnObjectOnALineWithWhatIsKnown) {
  ProgressState state;
  state.description = "fp\"16\n";
  state.done = 72;
  state.elapsed = absl::Milliseconds(31250);
  state.fields = {{"loss", 0.5}, {"mIoU", std::nan("")}};
  const absl::Time now = absl::FromUnixMillis(1724277733125);
  EXPECT_EQ(FormatJson(state, now),
            R"({"time":1724277733.125,"description":"fp\"16\n","done":72,)"
            R"("unit":"step","elapsed":31.25,)"
            R"("fields":{"loss":0.5,"mIoU":"NaN"}})");
  state.total = 160;
  state.rate = 2.5;
  state.fields.clear();
  EXPECT_EQ(FormatJson(state, now),
            R"({"time":1724277733.125,"description":"fp\"16\n","done":72,)"
            R"("total":160,"unit":"step","elapsed":31.25,"rate":2.5,)"
            R"("fields":{}})");
}

TEST(RateEstimateTest, IsExactAtConstantSpeedAndFollowsAChange) {
  RateEstimate rate;
  rate.Add(1, absl::Milliseconds(500));
  rate.Add(1, absl::Milliseconds(500));
  EXPECT_EQ(rate.rate(), 0.0);
  rate.Add(1, absl::Milliseconds(500));
  EXPECT_DOUBLE_EQ(rate.rate(), 2.0);
  for (int i = 0; i < 40; ++i) rate.Add(1, absl::Milliseconds(100));
  EXPECT_NEAR(rate.rate(), 10.0, 1e-3);
}

TEST(RateEstimateTest, TimeWithoutItemsCounts) {
  RateEstimate rate;
  rate.Add(3, absl::Seconds(1));
  rate.Add(0, absl::Seconds(2));
  rate.Add(3, absl::Seconds(1));
  EXPECT_LT(rate.rate(), 3.0);
}

}  // namespace
}  // namespace cnn_fp4::base
