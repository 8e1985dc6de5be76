#include "experiments/saved_study.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "experiments/finished_record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path NewDirectory(const std::string& name) {
  const fs::path directory = fs::path(::testing::TempDir()) / name;
  fs::remove_all(directory);
  fs::create_directories(directory);
  return fs::canonical(directory);
}

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Eight cells of which three are done.
StudyResult Toy(const fs::path& directory) {
  StudyResult study;
  study.name = "toy";
  study.spec.experiment.arms = {"fp16", "nvfp4"};
  study.spec.experiment.train.steps = 7;
  study.spec.seeds = {3, 5};
  study.spec.conditions = {{"s025", {}, ""},
                           {"s050", {"net.model_scale_factor=0.5"}, ""}};
  for (const Cell& cell : Cells(study.spec)) {
    if (study.cells.size() == 3) break;
    ArmRecord record = FinishedRecord(cell);
    record.metrics = {{"loss", "val loss", "", 0.1 + cell.seed(), false},
                      {"iou", "mIoU", "", 1.0 / cell.seed(), true, true}};
    record.train_loss = 1.0 / 3;
    record.cpu = "CPU";
    record.device = "cpu";
    study.cells.push_back(
        {(directory / "cells" / cell.name() / "arm.json").string(), record,
         cell.condition});
  }
  return study;
}

TEST(ReadStudy, GivesWhatWasWrittenSoThatItsPagesCanBeMadeAnew) {
  const fs::path directory = NewDirectory("study");
  ASSERT_TRUE(WriteStudy(Toy(directory), directory.string()).ok());
  const auto study = ReadStudy(directory.string());
  ASSERT_TRUE(study.ok()) << study.status();
  EXPECT_EQ(study->spec.seeds, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(Cells(study->spec)[7].spec.net.model_scale_factor, 0.5);
  ASSERT_EQ(study->cells.size(), 3u);
  EXPECT_EQ(study->cells[2].path, Toy(directory).cells[2].path);
  const fs::path again = NewDirectory("again");
  ASSERT_TRUE(WriteStudy(*study, again.string()).ok());
  for (const char* name : {"study.md", "study.html"}) {
    EXPECT_EQ(Read(again / name), Read(directory / name)) << name;
  }
  EXPECT_EQ(StudyJson(*study, directory.string()),
            Read(directory / "study.json"));
}

TEST(ReadStudy, RefusesWhatItCannotReadAndNamesIt) {
  const fs::path directory = NewDirectory("broken");
  EXPECT_EQ(ReadStudy(directory.string()).status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteStudy(Toy(directory), directory.string()).ok());
  std::string whole = Read(directory / "study.json");
  const size_t seeds = whole.find("\"seeds\": [");
  ASSERT_NE(seeds, std::string::npos);
  const std::string texts[] = {"{\"study\": \"half", std::string(1 << 20, '['),
                               whole.insert(seeds + 10, "2e46,")};
  for (const std::string& text : texts) {
    std::ofstream(directory / "study.json") << text;
    const absl::Status status = ReadStudy(directory.string()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("broken/study.json"));
  }
}

}  // namespace
}  // namespace cnn_fp4::experiments
