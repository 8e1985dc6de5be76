#include "telemetry/sinks/replay.h"

#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/sinks/jsonl_sink.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1724277733125);
const double kInfinity = std::numeric_limits<double>::infinity();

// Keeps what it is given, as lines of metrics.jsonl.
class Lines : public Sink {
 public:
  absl::Status Write(const Record& record) override {
    lines.push_back(*ToJsonLine(record));
    return status;
  }
  absl::Status Finish() override { return absl::OkStatus(); }
  std::string name() const override { return "lines"; }

  std::vector<std::string> lines;
  absl::Status status;
};

std::string WriteFile(const std::vector<std::string>& lines) {
  const std::string path = absl::StrCat(
      ::testing::TempDir(), "/",
      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  std::ofstream out(path, std::ios::binary);
  for (const std::string& line : lines) out << line << "\n";
  return path;
}

TEST(ReplayTest, GivesBackWhatWasLoggedButEndsGapsTablesAndPictures) {
  const std::vector<Record> records = {
      {Config{R"({"a":[1,2]})"}, "", kTime},
      {Scalars{3, {{"loss", 0.1}, {"norm", -kInfinity}, {"rate", -0.0}}},
       "fp16", kTime},
      {LayerStats{
           3, TensorKind::kActivations, "enc1", {{StatId::kMean, 1.0 / 3}}},
       "fp16", kTime + absl::Seconds(1)},
      {LayerStats{3,
                  TensorKind::kActivations,
                  "enc1",
                  {{StatId::kSqnrDb, 20}},
                  "mxfp4"},
       "fp16", kTime},
      {LayerHistogram{3,
                      TensorKind::kGradients,
                      "enc1",
                      HistogramOf::kE4m3Scales,
                      56,
                      {1, 0, 2}},
       "fp16", kTime},
      {WeightSample{
           3, "enc1", 2, 3, 1, 2, {0.1f, 1, 2, 3}, {0, 9, 15, 7}, {2, 2, 1, 1}},
       "fp16", kTime},
      {SystemStats{3,
                   187.5,
                   1 << 20,
                   int64_t{1} << 40,
                   9,
                   {{87, 1 << 30, int64_t{4} << 30, 61, 312.5}, {}}},
       "fp16", kTime},
      {Text{"note", "a \"b\"\n"}, "", kTime},
  };
  std::vector<std::string> expected;
  for (const Record& record : records) expected.push_back(*ToJsonLine(record));
  std::vector<std::string> lines = expected;
  for (const Record& record :
       {Record{Image{3, "a/b", "a.png", ""}, "fp16", kTime},
        Record{Html{3, "a/b", "a.html"}, "fp16", kTime},
        Record{Figure{3, "a/b", "a.json"}, "fp16", kTime},
        Record{ArmMeasured{}, "fp16", kTime},
        Record{ArmEnd{130}, "fp16", kTime}, Record{Gap{4}, "", kTime},
        Record{TableRecord{"result", base::Table({"a"})}, "", kTime},
        Record{Exit{1}, "", kTime}}) {
    lines.push_back(*ToJsonLine(record));
  }
  Lines sink;
  const absl::Status status = Replay(WriteFile(lines), sink);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(sink.lines, ElementsAreArray(expected));
}

TEST(ReplayTest, ABadLineIsDataLossThatNamesIt) {
  const char* const bad_lines[] = {
      "no json",
      R"({"type":"layer_stats","step":1,"tensor":"gradients","layer":"a",)"
      R"("values":{"mean":1}})",  // Of no arm.
      R"({"type":"layer_stats","model":"a","step":1,"tensor":"gradients",)"
      R"("layer":"a","values":{"mean":"many"}})",
      R"({"type":"scalars","values":{"loss":1}})",
      R"({"type":"scalars","step":1,"values":{"loss":null}})",
      R"({"type":"text","tag":"a"})",
      R"({"type":"text","tag":"a","text":"b","time":"noon"})",
      R"({"type":"config"})",
      R"({"type":"system","step":1,"cpu_percent":1})",
  };
  for (const char* const bad : bad_lines) {
    Lines sink;
    const std::string path =
        WriteFile({*ToJsonLine({Text{"a", "b"}, "", kTime}), bad});
    const absl::Status status = Replay(path, sink);
    EXPECT_TRUE(absl::IsDataLoss(status)) << bad << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path + ":2:"));
  }
}

TEST(ReplayTest, AnErrorOfTheSinkEndsIt) {
  Lines sink;
  sink.status = absl::ResourceExhaustedError("no space left");
  const std::string line = *ToJsonLine({Text{"a", "b"}, "", kTime});
  EXPECT_TRUE(absl::IsResourceExhausted(Replay(WriteFile({line, line}), sink)));
  EXPECT_EQ(sink.lines.size(), 1u);
}

}  // namespace
}  // namespace cnn_fp4::telemetry
