#include "experiments/run_directory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class RunDirectoryTest : public ::testing::Test {
 protected:
  RunDirectoryTest()
      : root_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    facts_.started = absl::FromCivil(absl::CivilSecond(2026, 2, 3, 4, 5, 6),
                                     absl::UTCTimeZone());
    facts_.device = "cpu";
  }

  RunDirectory Create() {
    auto directory = RunDirectory::Create(root_, "test", spec_, facts_);
    EXPECT_TRUE(directory.ok()) << directory.status();
    return *std::move(directory);
  }

  absl::StatusOr<RunDirectory> Resume(const std::string& which = "latest") {
    return RunDirectory::Resume(root_, "test", spec_, facts_, which);
  }

  std::string ResumeError() { return std::string(Resume().status().message()); }

  // run.json of the newest run, with one key changed, or without it.
  void Change(const std::string& key, const json& value) {
    const std::string path = RunDirectory(root_ + "/test/latest").RunJson();
    std::ifstream file(path);
    json run = json::parse(file);
    run[key] = value;
    ASSERT_TRUE(base::WriteFileAtomically(path, run.dump()).ok());
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ + "/test")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string root_;
  ExperimentSpec spec_;
  RunFacts facts_;
};

TEST_F(RunDirectoryTest, SaysWhatRan) {
  const RunDirectory directory = Create();
  EXPECT_FALSE(directory.resumed());
  EXPECT_THAT(directory.path(),
              EndsWith("/test/20260203T040506Z-" + Digest(spec_)));
  std::ifstream file(directory.RunJson());
  const json run = json::parse(file);
  EXPECT_EQ(run["schema_version"], 2);
  EXPECT_EQ(run["config"], json::parse(base::ToJson(spec_)));
  EXPECT_EQ(run["resolved"], json::parse(Resolved(spec_)));
  EXPECT_EQ(run["digest"], Digest(spec_));
  EXPECT_EQ(run["started"], "2026-02-03T04:05:06+00:00");
}

TEST_F(RunDirectoryTest, RunsOfOneSecondHaveDirectoriesOfTheirOwn) {
  const RunDirectory first = Create();
  const RunDirectory second = Create();
  const RunDirectory third = Create();
  EXPECT_EQ(second.path(), first.path() + "-2");
  EXPECT_EQ(third.path(), first.path() + "-3");
  // Nothing temporary is left.
  const std::string name = fs::path(first.path()).filename().string();
  EXPECT_THAT(Names(), ElementsAre(name, name + "-2", name + "-3", "latest"));
}

TEST_F(RunDirectoryTest, LatestIsTheNewestWhateverAKilledProcessLeft) {
  Create();
  const std::string stale = absl::StrCat(root_, "/test/latest.", getpid());
  fs::create_symlink("nowhere", stale);
  const std::string second = Create().path();
  EXPECT_EQ(fs::canonical(root_ + "/test/latest"), fs::canonical(second));
  EXPECT_FALSE(fs::is_symlink(stale));
}

TEST_F(RunDirectoryTest, LatestMustBeALink) {
  fs::create_directories(root_ + "/test/latest");
  EXPECT_THAT(
      RunDirectory::Create(root_, "test", spec_, facts_).status().message(),
      HasSubstr("/test/latest: something that is no link has this name"));
  EXPECT_THAT(Names(), ElementsAre("latest"));
}

TEST_F(RunDirectoryTest, ResumesTheLatestOrAGivenOne) {
  const std::string first = Create().path();
  const std::string second = Create().path();
  auto latest = Resume();
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_TRUE(latest->resumed());
  EXPECT_EQ(latest->path(), fs::canonical(second));
  const auto given = Resume(first);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->path(), fs::canonical(first));
}

TEST_F(RunDirectoryTest, OneProcessAtATime) {
  {
    const RunDirectory alive = Create();
    EXPECT_EQ(Resume().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(ResumeError(),
                HasSubstr(absl::StrCat("process ", getpid(), " holds it")));
  }
  const auto resumed = Resume();
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_THAT(ResumeError(), HasSubstr("holds it"));
}

TEST_F(RunDirectoryTest, RefusesWhatIsNoRun) {
  EXPECT_THAT(ResumeError(), HasSubstr("is no run"));
  fs::create_directories(root_ + "/empty");
  EXPECT_THAT(Resume(root_ + "/empty").status().message(),
              HasSubstr("/empty is no run (it has no run.json)"));
}

TEST_F(RunDirectoryTest, RefusesAnotherConfiguration) {
  Create();
  spec_.train.seed = 43;
  EXPECT_THAT(ResumeError(), HasSubstr("ran another configuration"));
}

TEST_F(RunDirectoryTest, RefusesARunWhosePoliciesMeantSomethingElse) {
  Create();
  Change("digest", "00000000");
  EXPECT_THAT(ResumeError(), HasSubstr("its policies meant something else"));
}

TEST_F(RunDirectoryTest, RefusesARunOfAnOlderVersion) {
  Create();
  std::ofstream(RunDirectory(root_ + "/test/latest").RunJson())
      << R"({"config": {"models": ["fp16"]}, "digest": "7a5eff7d"})";
  EXPECT_THAT(ResumeError(),
              HasSubstr("was written by an older version, whose runs cannot "
                        "be continued; start anew"));
}

TEST_F(RunDirectoryTest, RefusesARunJsonThatIsDamaged) {
  Create();
  for (const char* text : {"", "{", "[]", "null", R"({"schema_version": 3})",
                           R"({"schema_version": "2"})"}) {
    std::ofstream(RunDirectory(root_ + "/test/latest").RunJson()) << text;
    EXPECT_THAT(ResumeError(), HasSubstr("that this version cannot read"))
        << text;
  }
  std::ofstream(RunDirectory(root_ + "/test/latest").RunJson())
      << R"({"schema_version": 2, "digest": 7, "config": []})";
  EXPECT_THAT(ResumeError(), HasSubstr("cannot read (\"digest\" is 7)"));
}

TEST_F(RunDirectoryTest, RefusesValuesOfAnotherType) {
  facts_.data_digest = "0123456789abcdef";
  Create();
  const std::string path = RunDirectory(root_ + "/test/latest").RunJson();
  std::ifstream file(path);
  const json whole = json::parse(file);
  ASSERT_TRUE(Resume().ok());
  for (const char* key :
       {"digest", "config", "started", "class_names", "threads", "data"}) {
    for (const json& value : {json(7.5), json(nullptr), json::array({1})}) {
      json changed = whole;
      changed[key] = value;
      ASSERT_TRUE(base::WriteFileAtomically(path, changed.dump()).ok());
      EXPECT_THAT(ResumeError(), HasSubstr("that this version cannot read"))
          << key << ": " << value;
    }
  }
  const std::string deep = std::string(100000, '[');
  ASSERT_TRUE(base::WriteFileAtomically(
                  path, absl::StrCat("{\"schema_version\": ", deep))
                  .ok());
  EXPECT_THAT(ResumeError(), HasSubstr("more than 64 deep"));
}

TEST_F(RunDirectoryTest, RefusesARunJsonThatIsNoFile) {
  Create();
  const std::string path = RunDirectory(root_ + "/test/latest").RunJson();
  fs::remove(path);
  fs::create_symlink("/dev/zero", path);
  EXPECT_THAT(ResumeError(), HasSubstr("run.json: not a regular file"));
}

TEST_F(RunDirectoryTest, RefusesOtherData) {
  facts_.data_digest = "0123456789abcdef";
  Create();
  EXPECT_TRUE(Resume().ok());
  facts_.data_digest = "fedcba9876543210";
  EXPECT_THAT(ResumeError(),
              HasSubstr("was trained on other data (their digest was "
                        "0123456789abcdef, now it is fedcba9876543210)"));
}

TEST_F(RunDirectoryTest, RemembersItsThreads) {
  facts_.threads = 3;
  Create();
  EXPECT_EQ(Resume()->begun_with_threads(), 3);
}

TEST_F(RunDirectoryTest, RemovesWhatKilledWritersLeft) {
  const std::string run = Create().path();
  const std::string arm = run + "/checkpoints/fp16";
  fs::create_directories(arm);
  for (const char* name : {"/.step-000040.pt.123.tmp", "/step-000020.pt"}) {
    std::ofstream(arm + name) << "x";
  }
  ASSERT_TRUE(Resume().ok());
  EXPECT_FALSE(fs::exists(arm + "/.step-000040.pt.123.tmp"));
  EXPECT_TRUE(fs::exists(arm + "/step-000020.pt"));
  EXPECT_TRUE(fs::exists(run + "/run.json"));
}

TEST_F(RunDirectoryTest, KnowsTheLayout) {
  const RunDirectory run("/runs/a");
  EXPECT_EQ(run.Metrics(), "/runs/a/metrics.jsonl");
  EXPECT_EQ(run.Checkpoints("fp16"), "/runs/a/checkpoints/fp16");
  EXPECT_EQ(run.Heatmaps(), "/runs/a/plots/heatmaps");
  EXPECT_EQ(run.Overlays("semantic"),
            "/runs/a/plots/overlays/semantic_validation.png");
  EXPECT_EQ(run.Report(), "/runs/a/report.html");
  EXPECT_EQ(run.Summary(), "/runs/a/summary.json");
  EXPECT_EQ(run.Done(), "/runs/a/DONE");
}

TEST_F(RunDirectoryTest, NamesAnOutputDirectoryThatCannotBe) {
  std::ofstream(::testing::TempDir() + "/a_file") << "x";
  EXPECT_THAT(RunDirectory::Create(::testing::TempDir() + "/a_file", "test",
                                   spec_, facts_)
                  .status()
                  .message(),
              HasSubstr("--output_dir: cannot make "));
}

}  // namespace
}  // namespace cnn_fp4::experiments
