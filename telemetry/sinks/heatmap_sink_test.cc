#include "telemetry/sinks/heatmap_sink.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/jsonl_sink.h"
#include "telemetry/sinks/replay.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

class HeatmapSinkTest : public ::testing::Test {
 protected:
  HeatmapSinkTest()
      : directory_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }

  std::string Path(const std::string& name) const {
    return absl::StrCat(directory_, "/", name);
  }

  HeatmapSinkOptions Options(const std::string& run) const {
    return {Path(run), "semantic", "test"};
  }

  std::string Read(const std::string& name) const {
    std::ifstream in(Path(name), std::ios::binary);
    EXPECT_TRUE(in.is_open()) << name;
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Relative paths of the files with the ending, sorted.
  std::vector<std::string> Files(const std::string& run,
                                 const std::string& ending) const {
    std::vector<std::string> files;
    if (!fs::exists(Path(run))) return files;
    for (const auto& entry : fs::recursive_directory_iterator(Path(run))) {
      if (entry.path().extension() != ending) continue;
      files.push_back(fs::relative(entry.path(), Path(run)).string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  void ExpectTheSameNumbers(const std::string& a, const std::string& b) const {
    const std::vector<std::string> files = Files(a, ".json");
    EXPECT_FALSE(files.empty());
    EXPECT_EQ(Files(b, ".json"), files);
    for (const std::string& file : files) {
      EXPECT_EQ(Read(b + "/" + file), Read(a + "/" + file)) << file;
    }
  }

  const std::string directory_;
};

Record Stats(const std::string& arm, int64_t step, TensorKind tensor,
             const std::string& layer,
             std::vector<std::pair<StatId, double>> values) {
  return {LayerStats{step, tensor, layer, std::move(values)}, arm,
          absl::UnixEpoch()};
}

// What a probe says about one step of a net of two layers.
std::vector<Record> Step(const std::string& arm, int64_t step) {
  const double x = 1.0 / static_cast<double>(step);
  return {
      Stats(arm, step, TensorKind::kActivations, "enc1",
            {{StatId::kMean, -0.0}, {StatId::kAmax, x}}),
      Stats(arm, step, TensorKind::kActivations, "dec1",
            {{StatId::kMean, -x / 3}, {StatId::kAmax, 1e300 * x}}),
      Stats(arm, step, TensorKind::kGradients, "enc1",
            {{StatId::kMean, kNan}, {StatId::kNonfinite, 2}}),
      Stats(arm, step, TensorKind::kGradients, "dec1",
            {{StatId::kMean, 0.1 * x}, {StatId::kSqnrDb, kInfinity}}),
  };
}

void WriteAll(const std::vector<Record>& records, Sink& sink) {
  for (const Record& record : records) {
    const absl::Status status = sink.Write(record);
    ASSERT_TRUE(status.ok()) << status;
  }
}

TEST_F(HeatmapSinkTest, DrawsLayersByStepsWithTheWordsOfTheVocabulary) {
  const auto sink = HeatmapSink::Create(Options("plots"));
  const TensorKind kind = TensorKind::kWeightsPrequantize;
  // Not in order of steps; enc1.conv2 was not measured at step 0.
  WriteAll({Stats("nvfp4", 50, kind, "enc1.conv1",
                  {{StatId::kNonfinite, 3}, {StatId::kStd, 0.5}}),
            Stats("nvfp4", 50, kind, "enc1.conv2", {{StatId::kStd, 0.25}}),
            Stats("nvfp4", 0, kind, "enc1.conv1", {{StatId::kStd, kNan}})},
           *sink);
  EXPECT_THAT(Files("plots", ".json"), IsEmpty());
  ASSERT_TRUE(sink->Write({ArmMeasured{}, "nvfp4"}).ok());
  const std::string stem = "nvfp4/weights/prequantize/semantic_weights";
  EXPECT_THAT(Files("plots", ".json"), ElementsAre(stem + ".json"));
  EXPECT_THAT(Files("plots", ".html"), ElementsAre(stem + ".html"));
  EXPECT_THAT(Files("plots", ".png"), ElementsAre(stem + ".png"));
  EXPECT_EQ(
      Read("plots/" + stem + ".json"),
      R"({"schema":"cnn_fp4.heatmap_set","schema_version":1,)"
      R"("experiment":"test","model":"nvfp4",)"
      R"("tensor":"weights, before quantisation","task":"semantic",)"
      R"("statistics":[{"statistic":"std","title":"Standard deviation",)"
      R"("unit":"","description":"Population standard deviation.",)"
      R"("scale":"log","layers":["enc1.conv1","enc1.conv2"],"steps":[0,50],)"
      R"("values":[["NaN",0.5],[null,0.25]]},)"
      R"({"statistic":"nonfinite","title":"NaN and Inf","unit":"values",)"
      R"("description":"How many values are not finite.","scale":"linear",)"
      R"("layers":["enc1.conv1","enc1.conv2"],"steps":[50],)"
      R"("values":[[3.0],[null]]}]})"
      "\n");
}

TEST_F(HeatmapSinkTest, EveryKindOfTensorHasItsPlace) {
  const auto sink = HeatmapSink::Create(Options("plots"));
  for (const TensorKindInfo& info : TensorKinds()) {
    WriteAll({Stats("fp16", 1, info.kind, "a", {{StatId::kMean, 1}})}, *sink);
  }
  ASSERT_TRUE(sink->Finish().ok());
  EXPECT_THAT(Files("plots", ".png"),
              ElementsAre("fp16/activations/semantic_activations.png",
                          "fp16/gradients/semantic_gradients.png",
                          "fp16/output_gradients/semantic_output_gradients.png",
                          "fp16/weights/dequantized/semantic_weights.png",
                          "fp16/weights/prequantize/semantic_weights.png",
                          "fp16/weights/quantized/semantic_weights.png",
                          "fp16/wgrad/activations/semantic_activations.png",
                          "fp16/wgrad/output_gradients/"
                          "semantic_output_gradients.png"));
}

Record Codes(int64_t step, TensorKind tensor, const std::string& layer,
             std::vector<int64_t> counts) {
  LayerHistogram histogram;
  histogram.step = step;
  histogram.tensor = tensor;
  histogram.layer = layer;
  histogram.of = HistogramOf::kCodes;
  histogram.counts = std::move(counts);
  return {std::move(histogram), "nvfp4", absl::UnixEpoch()};
}

TEST_F(HeatmapSinkTest, TheMapOfCodesIsOfTheLastStep) {
  const auto sink = HeatmapSink::Create(Options("plots"));
  const TensorKind kind = TensorKind::kActivations;
  // +0 and -0 are one value; code 15 is -6.
  std::vector<int64_t> counts(16, 0);
  counts[0] = counts[8] = 1, counts[15] = 2;
  std::vector<int64_t> others(16, 1);
  WriteAll({Codes(1, kind, "dec1", others),
            Codes(1, kind, "enc1", others),
            Codes(9, kind, "dec1", counts),
            Codes(9, kind, "enc1", others),
            {ArmMeasured{}, "nvfp4"}},
           *sink);
  const auto json =
      nlohmann::json::parse(Read("plots/nvfp4/codes/semantic_codes.json"));
  ASSERT_EQ(json["statistics"].size(), 1u);
  const nlohmann::json& map = json["statistics"][0];
  EXPECT_EQ(map["statistic"], "activations");
  EXPECT_EQ(map["layers"], nlohmann::json({"dec1", "enc1"}));
  EXPECT_EQ(map["column_title"], "FP4 value");
  EXPECT_EQ(map["column_names"][0], "−6");
  EXPECT_EQ(map["column_names"][14], "6");
  EXPECT_EQ(map["values"][0][0], 50.0);
  EXPECT_EQ(map["values"][0][7], 50.0);
  EXPECT_EQ(map["values"][0][14], 0.0);
  EXPECT_EQ(map["values"][1][7], 12.5);
  EXPECT_THAT(map["description"].get<std::string>(), HasSubstr("at step 9."));
  EXPECT_TRUE(fs::exists(Path("plots/nvfp4/codes/semantic_codes.png")));
}

// A weight of two filters with three places; the first one's scale is 0.5.
Record Weight(int64_t step, const std::string& layer, float first) {
  return {WeightSample{step,
                       layer,
                       2,
                       3,
                       1,
                       1,
                       {first, 1, 3, -8, 0, 12},
                       {2, 4, 7, 14, 0, 7},
                       {0.5f, 0.5f, 0.5f, 2, 2, 2}},
          "nvfp4", absl::UnixEpoch()};
}

TEST_F(HeatmapSinkTest, TheWeightThatFp4CostsMostIsDrawnElementByElement) {
  const std::string path = "nvfp4/weights/map/semantic_weight.json";
  const TensorKind kind = TensorKind::kWeightsQuantized;
  // Which one it is changes from step 1 to step 5.
  const std::vector<Record> records = {
      Stats("nvfp4", 1, kind, "a", {{StatId::kSqnrCenteredDb, 3}}),
      Stats("nvfp4", 1, kind, "b", {{StatId::kSqnrCenteredDb, 20}}),
      Stats("nvfp4", 5, kind, "a", {{StatId::kSqnrCenteredDb, 21}}),
      Stats("nvfp4", 5, kind, "b", {{StatId::kSqnrCenteredDb, 19}}),
      Weight(1, "b", 9),
      Weight(5, "a", 9),
      Weight(5, "b", 0.75f),
      {ArmMeasured{}, "nvfp4"}};
  WriteAll(records, *HeatmapSink::Create(Options("plots")));
  const auto json = nlohmann::json::parse(Read("plots/" + path));
  EXPECT_EQ(json["tensor"], "weight of b");
  const auto values = [&json](const std::string& key) {
    for (const nlohmann::json& map : json["statistics"]) {
      if (map["statistic"] == key) return map["values"];
    }
    return nlohmann::json();
  };
  EXPECT_EQ(values("scale"), nlohmann::json({{.5, .5, .5}, {2.0, 2.0, 2.0}}));
  EXPECT_EQ(values("fp4"), nlohmann::json({{1., 2., 6.}, {-4., 0., 6.}}));
  EXPECT_EQ(values("value"), nlohmann::json({{.75, 1., 3.}, {-8., 0., 12.}}));
  // 0.75 was rounded to 1 x 0.5.
  EXPECT_EQ(values("abs_error"), nlohmann::json({{.25, 0., 0.}, {0., 0., 0.}}));
  EXPECT_EQ(json["statistics"][0]["layers"][1], "filter 1");
  EXPECT_EQ(json["statistics"][0]["row_title"], "filter");

  HeatmapSinkOptions options = Options("chosen");
  options.weight_map = "a";
  WriteAll(records, *HeatmapSink::Create(options));
  EXPECT_EQ(nlohmann::json::parse(Read("chosen/" + path))["tensor"],
            "weight of a");
}

TEST_F(HeatmapSinkTest, AnArmIsDrawnWhenItEndsAndAgainOnlyIfThereIsMore) {
  const auto sink = HeatmapSink::Create(Options("plots"));
  WriteAll(Step("fp16", 1), *sink);
  WriteAll({{ArmMeasured{}, "fp16"}}, *sink);
  WriteAll(Step("nvfp4", 1), *sink);
  const std::string fp16 = "fp16/activations/semantic_activations.json";
  const std::string nvfp4 = "nvfp4/activations/semantic_activations.json";
  EXPECT_TRUE(fs::exists(Path("plots/" + fp16)));
  EXPECT_FALSE(fs::exists(Path("plots/nvfp4")));

  // Who does not draw leaves no files behind.
  fs::remove_all(Path("plots"));
  WriteAll({{ArmMeasured{}, "fp16"}, {ArmMeasured{}, "never measured"}}, *sink);
  EXPECT_FALSE(fs::exists(Path("plots")));
  WriteAll(Step("fp16", 2), *sink);
  WriteAll({{ArmMeasured{}, "fp16"}}, *sink);
  EXPECT_THAT(Read("plots/" + fp16), HasSubstr("\"steps\":[1,2]"));

  // Ctrl-C: the second arm did not end.
  fs::remove_all(Path("plots"));
  ASSERT_TRUE(sink->Finish().ok());
  EXPECT_TRUE(fs::exists(Path("plots/" + nvfp4)));
  EXPECT_FALSE(fs::exists(Path("plots/fp16")));
}

TEST_F(HeatmapSinkTest, ADirectoryThatCannotBeMadeIsAnErrorThatNamesIt) {
  std::ofstream(Path("plots")) << "a file";
  const auto sink = HeatmapSink::Create(Options("plots"));
  WriteAll(Step("fp16", 1), *sink);
  const absl::Status status = sink->Write({ArmMeasured{}, "fp16"});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("plots")));
}

TEST_F(HeatmapSinkTest, RebuildsFromMetricsWhatItHadFolded) {
  const auto folded = HeatmapSink::Create(Options("folded"));
  auto jsonl = *JsonlSink::Create(Path("metrics.jsonl"));
  for (const std::string arm : {"fp16", "nvfp4"}) {
    for (const int64_t step : {1, 3, 50, 7919}) {
      WriteAll(Step(arm, step), *folded);
      WriteAll(Step(arm, step), *jsonl);
      WriteAll({{Scalars{step, {{"train/loss", 0.5}}}, arm}}, *jsonl);
    }
    // Finish() of the rebuilt sink draws an arm that had ended, too.
    WriteAll({{ArmMeasured{}, arm}}, *jsonl);
  }
  ASSERT_TRUE(folded->Finish().ok());
  const auto rebuilt = HeatmapSink::Create(Options("rebuilt"));
  const absl::Status status = Replay(Path("metrics.jsonl"), *rebuilt);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(rebuilt->Finish().ok());
  EXPECT_EQ(Files("rebuilt", ".json").size(), 4u);
  ExpectTheSameNumbers("folded", "rebuilt");
}

TEST_F(HeatmapSinkTest, ARunThatWasCutInTwoEndsWithTheHeatmapsOfAWholeOne) {
  const auto whole = HeatmapSink::Create(Options("whole"));
  for (const int64_t step : {1, 4, 8, 12}) {
    WriteAll(Step("nvfp4", step), *whole);
  }
  ASSERT_TRUE(whole->Finish().ok());

  const std::string metrics = Path("metrics.jsonl");
  {
    // Measured at step 6 as well, after the last checkpoint, and died there.
    auto jsonl = *JsonlSink::Create(metrics);
    for (const int64_t step : {1, 4, 6}) {
      WriteAll(Step("nvfp4", step), *jsonl);
    }
    std::ofstream(metrics, std::ios::app) << R"({"type":"layer_stats","ti)";
  }
  auto jsonl = JsonlSink::Resume(metrics, {{"nvfp4", 5}});
  ASSERT_TRUE(jsonl.ok()) << jsonl.status();
  const auto resumed = HeatmapSink::Create(Options("resumed"));
  const absl::Status status = Replay(metrics, *resumed);
  ASSERT_TRUE(status.ok()) << status;
  for (const int64_t step : {8, 12}) {
    WriteAll(Step("nvfp4", step), **jsonl);
    WriteAll(Step("nvfp4", step), *resumed);
  }
  ASSERT_TRUE(resumed->Finish().ok());
  ExpectTheSameNumbers("whole", "resumed");
}

}  // namespace
}  // namespace cnn_fp4::telemetry
