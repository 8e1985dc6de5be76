#include "telemetry/sinks/sink_factory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/sinks/jsonl_sink.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

SinkContext Context() {
  const std::string directory = absl::StrCat(
      ::testing::TempDir(), "/",
      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::remove_all(directory);
  fs::create_directories(directory);
  SinkContext context;
  context.experiment = "test";
  context.task = "semantic";
  context.heatmaps_directory = directory + "/heatmaps";
  context.tensorboard_directory = directory + "/tensorboard";
  context.wandb.directory = directory + "/wandb";
  return context;
}

TEST(SinkFactoryTest, NamesAreChecked) {
  EXPECT_TRUE(CheckSinkNames({}).ok());
  EXPECT_TRUE(CheckSinkNames(SinkNames()).ok());
  EXPECT_THAT(std::string(CheckSinkNames({"heatmap"}).message()),
              HasSubstr("unknown sink 'heatmap'; known: heatmaps"));
  EXPECT_THAT(std::string(CheckSinkNames({"heatmaps", "heatmaps"}).message()),
              HasSubstr("twice"));
}

TEST(SinkFactoryTest, HelpNamesEach) {
  for (const std::string& name : SinkNames()) {
    EXPECT_THAT(SinksHelp(), HasSubstr(absl::StrCat(name, " ")));
  }
}

TEST(SinkFactoryTest, OpensWhatIsNamed) {
  EXPECT_THAT(OpenSinks({}, Context()), IsEmpty());
  EXPECT_THAT(OpenSinks({"heatmaps"}, Context()), SizeIs(1));
  EXPECT_THAT(OpenSinks(SinkNames(), Context()), SizeIs(SinkNames().size()));
}

TEST(SinkFactoryTest, AResumedRunsSinksKnowTheTimeBefore) {
  SinkContext context = Context();
  context.replay = context.heatmaps_directory + "-metrics.jsonl";
  std::ofstream(context.replay)
      << *ToJsonLine(
             {LayerStats{
                  1, TensorKind::kActivations, "enc1", {{StatId::kMean, 1}}},
              "fp16", absl::UnixEpoch()})
      << "\n";
  const auto sinks = OpenSinks({"heatmaps"}, context);
  ASSERT_THAT(sinks, SizeIs(1));
  ASSERT_TRUE(sinks[0]->Finish().ok());
  EXPECT_TRUE(fs::exists(context.heatmaps_directory +
                         "/fp16/activations/semantic_activations.json"));
}

TEST(SinkFactoryTest, ASinkThatCannotBeOpenedIsLeftOutAndSaid) {
  SinkContext context = Context();
  context.replay = "/nonexistent/metrics.jsonl";
  CaptureStderr();
  EXPECT_THAT(OpenSinks({"heatmaps"}, context), IsEmpty());
  EXPECT_THAT(GetCapturedStderr(),
              HasSubstr("telemetry: heatmaps: not recorded: "));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
