#include "experiments/saved_run.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "base/atomic_file.h"
#include "experiments/written_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Root() {
  const std::string root =
      ::testing::TempDir() + "/" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(root);
  return root;
}

ExperimentSpec Spec() {
  ExperimentSpec spec;
  spec.arms = {"fp16", "nvfp4"};
  spec.train.steps = 40;
  return spec;
}

TEST(ReadRun, FollowsARunFromItsStartToItsEnd) {
  const std::string root = Root();
  std::string path;
  {
    const RunDirectory directory = WrittenRun(root, "test", Spec(), 3);
    path = directory.path();
    const auto running = ReadRun(root + "/test/latest");
    ASSERT_TRUE(running.ok()) << running.status();
    EXPECT_EQ(running->directory.path(), fs::canonical(path).string());
    EXPECT_EQ(running->state, RunState::kRunning);
    EXPECT_TRUE(running->result.arms.empty());
    EndArm(directory, "nvfp4", 0.5);
  }
  const auto stopped = ReadRun(path);
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state, RunState::kStopped);
  ASSERT_EQ(stopped->result.arms.size(), 1u);
  EXPECT_EQ(stopped->result.wall_seconds, 0);

  const RunDirectory directory(path);
  EndArm(directory, "fp16", 0.75);
  for (const char* costs :
       {R"({"wall_seconds": "long", "peak_memory_bytes": 1})",
        R"({"peak_memory_bytes": 1e300})", "[]", "{"}) {
    std::ofstream(directory.Summary()) << costs;
    const auto odd = ReadRun(path);
    ASSERT_TRUE(odd.ok()) << odd.status();
    EXPECT_EQ(odd->result.peak_memory_bytes, 0) << costs;
  }
  ASSERT_TRUE(base::WriteFileAtomically(
                  directory.Summary(),
                  R"({"wall_seconds": 57.5, "peak_memory_bytes": 830000000})")
                  .ok());
  std::ofstream(directory.Done()) << "";
  const auto finished = ReadRun(path);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(finished->state, RunState::kFinished);
  EXPECT_EQ(finished->result.experiment, "test");
  EXPECT_EQ(finished->result.spec.train.steps, 40);
  EXPECT_EQ(finished->digest, Digest(Spec()));
  // In the order of the configuration, not of their ends.
  ASSERT_EQ(finished->result.arms.size(), 2u);
  EXPECT_EQ(finished->result.arms[0].policy, "fp16");
  EXPECT_EQ(finished->result.wall_seconds, 57.5);
  EXPECT_EQ(finished->result.peak_memory_bytes, 830000000);
  EXPECT_EQ(finished->facts.cpu, "CPU <A>");
  EXPECT_THAT(finished->facts.class_names,
              ElementsAre("background", "nucleus"));
  EXPECT_EQ(absl::ToCivilDay(finished->facts.started, absl::UTCTimeZone()),
            absl::CivilDay(2026, 2, 3));
}

TEST(ReadRun, RefusesWhatItCannotReadAndNamesTheFile) {
  const std::string root = Root();
  EXPECT_EQ(ReadRun(root).status().code(), absl::StatusCode::kNotFound);
  const RunDirectory directory = WrittenRun(root, "test", Spec(), 3);
  std::ofstream(directory.RunJson()) << R"({"models": ["fp16"]})";
  const absl::Status status = ReadRun(directory.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("run.json"));
  EXPECT_THAT(status.message(), HasSubstr("this version cannot read it"));
}

TEST(ReadRun, ABrokenArmIsNamed) {
  const RunDirectory directory = WrittenRun(Root(), "test", Spec(), 3);
  EndArm(directory, "fp16", 0.75);
  std::ofstream(directory.ArmJson("fp16")) << "{}";
  EXPECT_THAT(ReadRun(directory.path()).status().message(),
              HasSubstr("arms/fp16/arm.json"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
