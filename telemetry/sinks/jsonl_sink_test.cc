#include "telemetry/sinks/jsonl_sink.h"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/metrics_reader.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1724277733125);

std::string Path() {
  const std::filesystem::path directory =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(directory);
  return (directory / "metrics.jsonl").string();
}

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Record Step(const std::string& model, int64_t step) {
  return {Scalars{step, {{"loss", 0.1f}}}, model, kTime};
}

Record Layer(const std::string& model, int64_t step) {
  return {LayerStats{step, TensorKind::kGradients, "a", {{StatId::kMean, 1}}},
          model, kTime};
}

TEST(ToJsonLineTest, ScalarsHaveTheFewestDigitsThatReadBack) {
  const Record record = {
      Scalars{40,
              {{"float", 0.1f},
               {"double", 0.1},
               {"widened", static_cast<double>(0.1f)},
               {"count", 16},
               {"tiny", std::numeric_limits<float>::denorm_min()},
               {"nan", std::nan("")},
               {"up", std::numeric_limits<double>::infinity()},
               {"down", -std::numeric_limits<float>::infinity()}}},
      "fp16", kTime};
  EXPECT_EQ(*ToJsonLine(record),
            R"({"type":"scalars","time":1724277733.125,"model":"fp16",)"
            R"("step":40,"values":{"float":0.1,"double":0.1,)"
            R"("widened":0.10000000149011612,"count":16,"tiny":1e-45,)"
            R"("nan":"NaN","up":"Infinity","down":"-Infinity"}})");
}

TEST(ToJsonLineTest, EveryKindIsOneLineOfJson) {
  base::Table table({"arm", "loss"});
  table.AddRow({"fp\"16\n", {0.25, 2}});
  const Record records[] = {
      {Text{"validation", "line one\nline two \xff\xfe"}, "", kTime},
      {Config{"{\n  \"b\": 1,\n  \"a\": [2.5]\n}"}, "", kTime},
      {TableRecord{"result", table}, "", kTime},
      {LayerStats{50,
                  TensorKind::kWeightsPrequantize,
                  "enc1.conv1",
                  {{StatId::kMean, -0.0}, {StatId::kSqnrDb, 20.1}}},
       "nvfp4", kTime},
      {LayerStats{50,
                  TensorKind::kActivations,
                  "enc1.conv1",
                  {{StatId::kSqnrDb, 20.1}},
                  "mxfp4"},
       "nvfp4", kTime},
      {LayerHistogram{50,
                      TensorKind::kActivations,
                      "a",
                      HistogramOf::kCodes,
                      0,
                      {1, 0, 2},
                      3,
                      4},
       "nvfp4", kTime},
      {WeightSample{50,
                    "a",
                    /*rows=*/2,
                    /*columns=*/3,
                    /*row_stride=*/1,
                    /*column_stride=*/2,
                    {0.1f, -0.0f, 1, 2},
                    {0, 9, 15, 7},
                    {0.5f, 2, 2, 0.5f}},
       "nvfp4", kTime},
      {Image{7, "heatmaps/gradients", "plots/a.png", "So \"it\" is."}, "a",
       kTime},
      {Html{7, "heatmaps/gradients", "plots/a.html"}, "a", kTime},
      {Figure{7, "figures/loss", "pictures/a.plotly.json"}, "a", kTime},
      {Artifact{7, "weights", "model", "weights/a.safetensors"}, "a", kTime},
      {SystemStats{7,
                   187.5,
                   1 << 20,
                   int64_t{1} << 40,
                   9,
                   {{87, 1 << 30, int64_t{4} << 30, 61, 312.5}, {}}},
       "a", kTime},
      {ArmMeasured{}, "nvfp4", kTime},
      {ArmEnd{}, "nvfp4", kTime},
      {Gap{12}, "", kTime},
      {Exit{130}, "", kTime},
  };
  const char* const expected[] = {
      R"({"type":"text","time":1724277733.125,"tag":"validation","text":"line one\nline two ��"})",
      R"({"type":"config","time":1724277733.125,"schema_version":1,"config":{"b":1,"a":[2.5]}})",
      R"({"type":"table","time":1724277733.125,"name":"result","columns":["arm","loss"],"rows":[["fp\"16\n",0.25]]})",
      R"({"type":"layer_stats","time":1724277733.125,"model":"nvfp4","step":50,"tensor":"weights/prequantize","layer":"enc1.conv1","values":{"mean":-0.0,"sqnr_db":20.1}})",
      R"({"type":"layer_stats","time":1724277733.125,"model":"nvfp4","step":50,"tensor":"activations","layer":"enc1.conv1","recipe":"mxfp4","values":{"sqnr_db":20.1}})",
      R"({"type":"histogram","time":1724277733.125,"model":"nvfp4","step":50,"tensor":"activations","layer":"a","of":"codes","first":0,"counts":[1,0,2],"zeros":3,"nonfinite":4})",
      R"({"type":"weight_sample","time":1724277733.125,"model":"nvfp4","step":50,"layer":"a","rows":2,"columns":3,"row_stride":1,"column_stride":2,"values":[0.1,-0.0,1,2],"codes":"09f7","scales":[0.5,2],"scale_of":[0,1,1,0]})",
      R"({"type":"image","time":1724277733.125,"model":"a","step":7,"key":"heatmaps/gradients","file":"plots/a.png","caption":"So \"it\" is."})",
      R"({"type":"html","time":1724277733.125,"model":"a","step":7,"key":"heatmaps/gradients","file":"plots/a.html"})",
      R"({"type":"figure","time":1724277733.125,"model":"a","step":7,"key":"figures/loss","file":"pictures/a.plotly.json"})",
      R"({"type":"artifact","time":1724277733.125,"model":"a","step":7,"name":"weights","kind":"model","file":"weights/a.safetensors"})",
      R"({"type":"system","time":1724277733.125,"model":"a","step":7,"cpu_percent":187.5,"resident_bytes":1048576,"available_bytes":1099511627776,"threads":9,"gpus":[{"busy_percent":87,"memory_bytes":1073741824,"memory_total_bytes":4294967296,"celsius":61,"watts":312.5},{"busy_percent":"NaN","memory_bytes":0,"memory_total_bytes":0,"celsius":"NaN","watts":"NaN"}]})",
      R"({"type":"arm_measured","time":1724277733.125,"model":"nvfp4"})",
      R"({"type":"arm_end","time":1724277733.125,"model":"nvfp4","code":0})",
      R"({"type":"gap","time":1724277733.125,"records":12})",
      R"({"type":"exit","time":1724277733.125,"code":130})",
  };
  for (size_t i = 0; i < std::size(records); ++i) {
    const std::string line = *ToJsonLine(records[i]);
    EXPECT_EQ(line, expected[i]);
    EXPECT_FALSE(absl::StrContains(line, '\n'));
    EXPECT_TRUE(nlohmann::json::accept(line));
  }
}

TEST(ToJsonLineTest, AConfigThatIsNoJsonIsRefused) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(ToJsonLine({Config{"{"}, "", kTime}).status()));
}

TEST(JsonlSinkTest, EveryRecordIsInTheFileWhenWriteReturns) {
  const std::string path = Path();
  auto sink = JsonlSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  for (int64_t step = 1; step <= 3; ++step) {
    ASSERT_TRUE((*sink)->Write(Step("fp16", step)).ok());
    const std::string contents = Read(path);
    EXPECT_EQ(std::count(contents.begin(), contents.end(), '\n'), step);
    EXPECT_EQ(contents.back(), '\n');
  }
  EXPECT_TRUE((*sink)->Finish().ok());
}

// kill -9 at any moment: what a reader sees are whole records, all but the one
// that was being written, and a resumed run goes on after them.
TEST(JsonlSinkTest, AFileThatIsCutOffAnywhereLosesItsLastRecordAtMost) {
  const std::string path = Path();
  auto sink = JsonlSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  for (int64_t step = 1; step <= 3; ++step) {
    ASSERT_TRUE((*sink)->Write(Step("fp16", step)).ok());
  }
  const std::string bytes = Read(path);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    std::ofstream(path, std::ios::binary) << bytes.substr(0, size);
    const auto whole = std::count(bytes.begin(), bytes.begin() + size, '\n');
    int64_t seen = 0;
    ASSERT_TRUE(ReadMetrics(path,
                            [&](const MetricsLine& line) {
                              EXPECT_EQ(line.step, ++seen);
                              return absl::OkStatus();
                            })
                    .ok())
        << size;
    EXPECT_EQ(seen, whole) << size;
    auto resumed = JsonlSink::Resume(path, {{"fp16", 3}});
    ASSERT_TRUE(resumed.ok()) << size << ": " << resumed.status();
    ASSERT_TRUE((*resumed)->Write(Step("fp16", 4)).ok());
    const std::string contents = Read(path);
    EXPECT_EQ(std::count(contents.begin(), contents.end(), '\n'), whole + 1);
  }
}

TEST(JsonlSinkTest, CreateDoesNotOverwrite) {
  const std::string path = Path();
  ASSERT_TRUE(JsonlSink::Create(path).ok());
  const absl::Status status = JsonlSink::Create(path).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(JsonlSinkTest, AFullDiskIsAnErrorThatNamesTheFile) {
  auto sink = JsonlSink::Resume("/dev/full", {});
  ASSERT_TRUE(sink.ok()) << sink.status();
  const absl::Status status = (*sink)->Write(Step("fp16", 1));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full"));
}

TEST(JsonlSinkTest, ARemovedFileIsNotFound) {
  const std::string path = Path();
  auto sink = JsonlSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Write(Step("fp16", 1)).ok());
  std::filesystem::remove(path);
  const absl::Status status = (*sink)->Write(Step("fp16", 2));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(JsonlSinkTest, AWriteThatFailsHalfwayLeavesWholeLines) {
  const std::string path = Path();
  auto sink = JsonlSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Write(Step("fp16", 1)).ok());
  const std::string before = Read(path);
  // A file may grow by no more than a part of the next line.
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit low = {before.size() + 10, limit.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
  const absl::Status status = (*sink)->Write(Step("fp16", 2));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(Read(path), before);
  ASSERT_TRUE((*sink)->Write(Step("fp16", 3)).ok());
  EXPECT_EQ(Read(path), before + *ToJsonLine(Step("fp16", 3)) + "\n");
}

TEST(JsonlSinkTest, ResumeRemovesWhatWillBeMeasuredAgain) {
  const std::string path = Path();
  {
    auto sink = *JsonlSink::Create(path);
    for (const Record& record :
         {Step("fp16", 1), Step("fp16", 9), Step("nvfp4", 4), Step("nvfp4", 5),
          Layer("nvfp4", 5), Layer("nvfp4", 6), Layer("fp16", 6),
          Record{Text{"note", "kept"}, "nvfp4", kTime}, Step("nvfp4", 6),
          Step("", 7)}) {
      ASSERT_TRUE(sink->Write(record).ok());
    }
  }
  std::ofstream(path, std::ios::app) << R"({"type":"scalars","ti)";
  auto sink = JsonlSink::Resume(path, {{"nvfp4", 5}});
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Write(Step("nvfp4", 6)).ok());
  std::vector<std::string> kept;
  for (const absl::string_view line :
       absl::StrSplit(Read(path), '\n', absl::SkipEmpty())) {
    const auto json = nlohmann::json::parse(line);
    kept.push_back(json.value("model", "") + ":" +
                   (json.contains("step") ? json["step"].dump()
                                          : json["type"].get<std::string>()));
  }
  EXPECT_THAT(kept,
              ElementsAre("fp16:1", "fp16:9", "nvfp4:4", "nvfp4:5", "nvfp4:5",
                          "fp16:6", "nvfp4:text", ":7", "nvfp4:6"));
}

TEST(JsonlSinkTest, ScoresThatComeAgainAreRemoved) {
  const std::string path = Path();
  const auto scores = [](const std::string& model, int64_t step) {
    return Record{Scalars{step, {{"val/loss", 0.1f}}}, model, kTime};
  };
  {
    auto sink = *JsonlSink::Create(path);
    for (const Record& record :
         {Step("fp16", 4), scores("fp16", 4), Step("nvfp4", 4),
          scores("nvfp4", 2), scores("nvfp4", 4)}) {
      ASSERT_TRUE(sink->Write(record).ok());
    }
  }
  const std::string before = Read(path);
  ASSERT_TRUE(
      JsonlSink::Resume(path, {{"fp16", 4, true}, {"nvfp4", 4, true}}).ok());
  EXPECT_EQ(Read(path), before);
  ASSERT_TRUE(
      JsonlSink::Resume(path, {{"fp16", 4, true}, {"nvfp4", 4, false}}).ok());
  const std::string last = *ToJsonLine(scores("nvfp4", 4)) + "\n";
  EXPECT_EQ(Read(path), before.substr(0, before.size() - last.size()));
}

TEST(JsonlSinkTest, ResumeNamesTheStepsThatAreMissing) {
  const std::string path = Path();
  ASSERT_TRUE((*JsonlSink::Create(path))->Write(Step("fp16", 3)).ok());
  const auto missing = [&](const ResumePoint& point) {
    return (*JsonlSink::Resume(path, {point}))->missing();
  };
  EXPECT_TRUE(missing({"fp16", 3}).empty());
  EXPECT_TRUE(missing({"nvfp4", 0}).empty());
  EXPECT_THAT(missing({"fp16", 5}),
              ElementsAre(path + " has nothing of the steps 4 to 5 of fp16, "
                                 "which are done: reports and plots will lack "
                                 "them"));
  std::filesystem::remove(path);
  EXPECT_THAT(missing({"fp16", 3}), ElementsAre(HasSubstr("steps 1 to 3")));
}

TEST(JsonlSinkTest, ResumeOfAnUntouchedFileChangesNoByte) {
  const std::string path = Path();
  ASSERT_TRUE((*JsonlSink::Create(path))->Write(Step("fp16", 1)).ok());
  const std::string before = Read(path);
  ASSERT_TRUE(JsonlSink::Resume(path, {{"fp16", 1}}).ok());
  EXPECT_EQ(Read(path), before);
}

TEST(JsonlSinkTest, ResumeNamesTheLineThatIsNoRecord) {
  for (const char* const bad :
       {"garbage", R"({"type":5})",
        R"({"type":"scalars","model":"fp16","step":"1","values":{}})"}) {
    const std::string path = Path();
    ASSERT_TRUE((*JsonlSink::Create(path))->Write(Step("fp16", 1)).ok());
    std::ofstream(path, std::ios::app) << bad << "\n";
    const absl::Status status = JsonlSink::Resume(path, {{"fp16", 1}}).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << bad << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path + ":2:"));
  }
}

}  // namespace
}  // namespace cnn_fp4::telemetry
