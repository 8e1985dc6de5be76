#include "telemetry/sinks/metrics_reader.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/jsonl_sink.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kGood[] = R"({"type":"text","time":1.5,"tag":"a","text":"b"})";

std::string WriteFile(const std::string& contents) {
  const std::string path = absl::StrCat(
      ::testing::TempDir(), "/",
      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  std::ofstream(path, std::ios::binary) << contents;
  return path;
}

uint64_t Bits(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

TEST(ReadMetricsTest, CallsTheVisitorForEachCompleteLine) {
  const std::string path = WriteFile(absl::StrCat(
      R"({"type":"scalars","time":1,"model":"fp16","step":7,"values":{}})",
      "\n", kGood, "\n", R"({"type":"exit","ti)"));
  std::vector<std::string> seen;
  const absl::Status status = ReadMetrics(path, [&](const MetricsLine& line) {
    seen.push_back(absl::StrCat(line.type, "|", line.model, "|",
                                line.step.value_or(-1), "|", line.text.size()));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre("scalars|fp16|7|63", "text||-1|47"));
}

TEST(ReadMetricsTest, ALineThatIsNoRecordIsDataLossThatNamesIt) {
  const char* const bad_lines[] = {
      "garbage",
      "",
      "[1]",
      R"({"time":1})",
      R"({"type":7})",
      R"({"type":null,"step":1})",
      R"({"type":"scalars","step":"7"})",
      R"({"type":"scalars","step":1.5})",
      R"({"type":"scalars","step":null})",
      R"({"type":"scalars","step":18446744073709551615})",
      R"({"type":"scalars","model":3,"step":1})",
      R"({"type":[[{}]]})",
      R"({"type":"scalars","time":{},"step":1})",
      "{\"type\":\"\xff\"}",
  };
  for (const char* const bad : bad_lines) {
    const std::string path =
        WriteFile(absl::StrCat(kGood, "\n", bad, "\n", kGood, "\n"));
    int visited = 0;
    const absl::Status status = ReadMetrics(path, [&](const MetricsLine&) {
      ++visited;
      return absl::OkStatus();
    });
    EXPECT_TRUE(absl::IsDataLoss(status)) << bad << ": " << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(path + ":2: not a telemetry record"));
    EXPECT_EQ(visited, 1) << bad;
  }
}

TEST(ReadMetricsTest, ALineOfBracketsIsAnError) {
  const std::string deep(100000, '[');
  const std::string path = WriteFile(
      absl::StrCat("{\"type\":", deep, std::string(100000, ']'), "}\n"));
  const absl::Status status =
      ReadMetrics(path, [](const MetricsLine&) { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 64 deep"));
}

TEST(ReadMetricsTest, AnErrorOfTheVisitorKeepsItsKindAndGetsTheLine) {
  const std::string path = WriteFile(absl::StrCat(kGood, "\n"));
  const absl::Status status = ReadMetrics(
      path, [](const MetricsLine&) { return absl::AbortedError("enough"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), path + ":1: enough");
}

TEST(ReadMetricsTest, AFileThatIsNotThereIsAnError) {
  const absl::Status status = ReadMetrics(
      "/no/such/file", [](const MetricsLine&) { return absl::OkStatus(); });
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/file"));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

TEST(ParseLayerStatsTest, EveryDoubleSurvivesToTheBit) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {
      0.1,
      static_cast<double>(0.1f),
      -0.0,
      1.0 / 3.0,
      std::numeric_limits<double>::denorm_min(),
      std::numeric_limits<double>::max(),
      9007199254740993.0,
      12345678901234567890.0,
      -1e22,
      std::nextafter(1.0, 2.0),
      infinity,
      -infinity,
      std::numeric_limits<double>::quiet_NaN(),
  };
  for (const double value : values) {
    const Record record = {LayerStats{50,
                                      TensorKind::kWeightsQuantized,
                                      "enc1.conv1",
                                      {{StatId::kSqnrDb, value}}},
                           "nvfp4", absl::FromUnixMillis(1500)};
    const std::string line = *ToJsonLine(record);
    const auto stats = ParseLayerStats(nlohmann::json::parse(line));
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->step, 50);
    EXPECT_EQ(stats->tensor, TensorKind::kWeightsQuantized);
    EXPECT_EQ(stats->layer, "enc1.conv1");
    ASSERT_EQ(stats->values.size(), 1u);
    EXPECT_EQ(stats->values[0].first, StatId::kSqnrDb);
    EXPECT_EQ(Bits(stats->values[0].second), Bits(value)) << line;
  }
}

TEST(ParseLayerStatsTest, WhatIsNotInTheVocabularyIsRefused) {
  const char* const kLine =
      R"({"step":1,"tensor":"gradients","layer":"a","values":{"mean":1}})";
  ASSERT_TRUE(ParseLayerStats(nlohmann::json::parse(kLine)).ok());
  const std::pair<const char*, const char*> cases[] = {
      {R"({"tensor":"gradients","layer":"a","values":{}})", "\"step\""},
      {R"({"step":1,"tensor":"weights","layer":"a","values":{}})",
       "unknown tensor \"weights\""},
      {R"({"step":1,"tensor":2,"layer":"a","values":{}})", "type must be"},
      {R"({"step":1,"tensor":"gradients","values":{}})", "layer"},
      {R"({"step":1,"tensor":"gradients","layer":"a"})", "values"},
      {R"({"step":1,"tensor":"gradients","layer":"a","values":{"sqnr":1}})",
       "unknown statistic \"sqnr\""},
      {R"({"step":1,"tensor":"gradients","layer":"a","values":{"std":null}})",
       "\"std\" is null"},
      {R"({"step":1,"tensor":"gradients","layer":"a","values":{"std":"1"}})",
       "type must be"},
      {R"({"step":1,"tensor":"gradients","layer":"a","values":{"std":true}})",
       "type must be"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status =
        ParseLayerStats(nlohmann::json::parse(text)).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << text << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

TEST(ParseWeightSampleTest, PartsThatDoNotFitAreRefused) {
  const nlohmann::json good = nlohmann::json::parse(
      R"({"step":1,"layer":"a","rows":2,"columns":3,"row_stride":1,)"
      R"("column_stride":2,"values":[1,2,3,4],"codes":"09f7",)"
      R"("scales":[0.5,2],"scale_of":[0,1,1,0]})");
  const auto sample = ParseWeightSample(good);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->codes, (std::vector<uint8_t>{0, 9, 15, 7}));
  EXPECT_EQ(sample->scales, (std::vector<float>{0.5f, 2, 2, 0.5f}));
  const std::pair<const char*, const char*> cases[] = {
      {R"({"rows":0})", "\"rows\" is 0, not a size"},
      {R"({"column_stride":2147483648})", "not a size"},
      {R"({"columns":5})", "a sample of 6 elements has 4 values"},
      {R"({"values":[1,2,3]})", "3 values, 4 codes and 4 scales"},
      {R"({"values":[1,2,3,null]})", "\"values\" is null"},
      {R"({"codes":"09g7"})", "not a row of codes"},
      {R"({"codes":7})", "actual type is number"},
      {R"({"scale_of":[0,1,2,0]})", "not a place in \"scales\""},
      {R"({"scale_of":[0,1,-1,0]})", "not a place in \"scales\""},
      {R"({"layer":3})", "type must be"},
  };
  for (const auto& [patch, message] : cases) {
    nlohmann::json bad = good;
    bad.merge_patch(nlohmann::json::parse(patch));
    const absl::Status status = ParseWeightSample(bad).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << patch << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << patch;
  }
}

}  // namespace
}  // namespace cnn_fp4::telemetry
