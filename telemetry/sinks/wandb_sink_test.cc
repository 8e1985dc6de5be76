#include "telemetry/sinks/wandb_sink.h"

#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/wandb.pb.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

const absl::Time kTime = absl::FromUnixMillis(1724277733125);

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

// As W&B reads: stops at the first chunk that is cut short or damaged.
std::vector<std::string> ReadRecords(absl::string_view bytes) {
  std::vector<std::string> records;
  if (bytes.substr(0, 7) != absl::string_view(":W&B\xe1\xbe\0", 7)) return {};
  std::string record;
  for (size_t at = 7; at < bytes.size();) {
    const size_t room = 32768 - at % 32768;
    if (room < 7) {
      at += room;
      continue;
    }
    if (bytes.size() - at < 7) break;
    const size_t size = LittleEndian(bytes.substr(at + 4, 2));
    if (size > room - 7 || bytes.size() - at < 7 + size) break;
    const absl::string_view checked = bytes.substr(at + 6, 1 + size);
    const uint32_t crc = crc32(
        0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    if (crc != LittleEndian(bytes.substr(at, 4))) break;
    absl::StrAppend(&record, checked.substr(1));
    if (checked[0] == 1 || checked[0] == 4) {
      records.push_back(record);
      record.clear();
    }
    at += 7 + size;
  }
  return records;
}

class WandbSinkTest : public ::testing::Test {
 protected:
  WandbSinkTest()
      : directory_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }

  WandbSinkOptions Options() const {
    WandbSinkOptions options;
    options.directory = directory_;
    options.group = "test/1";
    options.started = kTime;
    options.labels = {"my project", "", {"fp4"}, "a note \xff"};
    options.environment = {"Linux", "abc123", 2};
    return options;
  }

  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.is_open()) << path;
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // The bytes of the run files by the runs' ids.
  std::map<std::string, std::string> Runs() const {
    std::map<std::string, std::string> runs;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename().string();
      const std::string prefix = absl::StrCat(
          "offline-run-",
          absl::FormatTime("%Y%m%d_%H%M%S", kTime, absl::LocalTimeZone()), "-");
      EXPECT_EQ(name.substr(0, prefix.size()), prefix);
      const std::string id = name.substr(prefix.size());
      EXPECT_EQ(id.size(), 8u);
      EXPECT_TRUE(fs::is_directory(entry.path() / "files"));
      runs[id] = Read(entry.path() / absl::StrCat("run-", id, ".wandb"));
    }
    return runs;
  }

  static std::vector<wandb::Record> Parse(const std::string& bytes) {
    std::vector<wandb::Record> records;
    for (const std::string& record : ReadRecords(bytes)) {
      records.emplace_back();
      EXPECT_TRUE(records.back().ParseFromString(record));
      EXPECT_EQ(records.back().num(), static_cast<int64_t>(records.size()));
    }
    return records;
  }

  static void WriteAll(const std::vector<Record>& records, Sink& sink) {
    for (const Record& record : records) {
      const absl::Status status = sink.Write(record);
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  const std::string directory_;
};

// The field of a value is behind a ".".
template <typename Items>
std::map<std::string, std::string> ByKey(const Items& items) {
  std::map<std::string, std::string> by_key;
  for (const wandb::Item& item : items) {
    EXPECT_GE(item.nested_key_size(), 1);
    EXPECT_LE(item.nested_key_size(), 2);
    const std::string key = absl::StrJoin(item.nested_key(), ".");
    EXPECT_TRUE(by_key.emplace(key, item.value_json()).second) << key;
  }
  return by_key;
}

// The value with these fields.
nlohmann::json Nested(const std::map<std::string, std::string>& row,
                      const std::string& key) {
  nlohmann::json value = nlohmann::json::object();
  for (const auto& [name, json] : row) {
    if (absl::StartsWith(name, key + ".")) {
      value[name.substr(key.size() + 1)] = nlohmann::json::parse(json);
    }
  }
  return value;
}

const std::vector<Record>& Records() {
  static const auto* const records = new std::vector<Record>{
      {Config{R"({"train":{"steps":2}})"}, "", kTime},
      {Scalars{1, {{"loss", 0.1}, {"norm", std::nan("")}}}, "nvfp4", kTime},
      {LayerStats{
           1, TensorKind::kActivations, "enc1.conv1", {{StatId::kSqnrDb, 20}}},
       "nvfp4", kTime},
      {LayerHistogram{1,
                      TensorKind::kWeightsQuantized,
                      "a",
                      HistogramOf::kCodes,
                      0,
                      {4, 1}},
       "nvfp4", kTime},
      {Scalars{2, {{"loss", 0.05}}}, "nvfp4", kTime + absl::Seconds(3)},
      {Scalars{2, {{"val/iou", 0.5}}}, "nvfp4", kTime + absl::Seconds(4)},
      {ArmEnd{0}, "nvfp4", kTime + absl::Seconds(5)},
      {Exit{0}, "", kTime},
  };
  return *records;
}

TEST_F(WandbSinkTest, AnArmIsARunAndAStepIsARow) {
  const auto sink = WandbSink::Create(Options());
  WriteAll(Records(), *sink);
  ASSERT_TRUE(sink->Finish().ok());
  ASSERT_EQ(Runs().size(), 1u);
  const auto records = Parse(Runs().begin()->second);
  ASSERT_EQ(records.size(), 11u);
  EXPECT_EQ(records[0].header().version_info().min_consumer(), "0.21.0");

  const wandb::RunRecord& run = records[1].run();
  EXPECT_EQ(run.run_id(), Runs().begin()->first);
  EXPECT_EQ(run.project(), "my project");
  EXPECT_EQ(run.run_group(), "test/1");
  EXPECT_EQ(run.display_name(), "nvfp4");
  EXPECT_EQ(run.notes(), "a note \xef\xbf\xbd");  // Else W&B drops the record.
  EXPECT_EQ(run.start_time().seconds(), 1724277733);
  EXPECT_EQ(run.start_time().nanos(), 125000000);
  const auto config = ByKey(run.config().update());
  EXPECT_EQ(config.at("arm"), "\"nvfp4\"");
  EXPECT_EQ(config.at("train"), R"({"steps":2})");
  EXPECT_EQ(records[2].environment().git().commit(), "abc123");

  // Each number is a metric over the steps; the histogram is none.
  EXPECT_EQ(records[3].metric().name(), "loss");
  EXPECT_EQ(records[4].metric().name(), "norm");
  EXPECT_EQ(records[5].metric().name(), "sqnr_db_activations/enc1_conv1");
  EXPECT_EQ(records[5].metric().step_metric(), "_step");
  EXPECT_TRUE(records[5].metric().options().defined());

  const auto first = ByKey(records[6].history().item());
  EXPECT_EQ(first.at("_step"), "1");
  EXPECT_EQ(first.at("_runtime"), "0");
  EXPECT_EQ(first.at("loss"), "0.1");
  EXPECT_EQ(first.at("norm"), "NaN");
  EXPECT_EQ(first.at("sqnr_db_activations/enc1_conv1"), "20");
  const auto codes = Nested(first, "codes_weights_quantized/a");
  EXPECT_EQ(codes["_type"], "histogram");
  EXPECT_EQ(codes["values"].size(), 30u);
  EXPECT_EQ(codes["values"][15], 4);
  EXPECT_EQ(codes["bins"].size(), 31u);
  EXPECT_EQ(codes["bins"][15], 0);

  // Training and validation of one step are one row.
  EXPECT_EQ(records[7].metric().name(), "val/iou");
  const auto second = ByKey(records[8].history().item());
  EXPECT_EQ(second.at("_step"), "2");
  EXPECT_EQ(second.at("_runtime"), "4");
  EXPECT_EQ(second.at("_timestamp"), "1724277737.125");
  EXPECT_EQ(second.at("loss"), "0.05");
  EXPECT_EQ(second.at("val/iou"), "0.5");

  const auto summary = ByKey(records[9].summary().update());
  EXPECT_EQ(summary.at("loss"), "0.05");
  EXPECT_EQ(summary.at("norm"), "NaN");
  EXPECT_TRUE(records[10].has_exit());
  EXPECT_EQ(records[10].exit().exit_code(), 0);
  EXPECT_EQ(records[10].exit().runtime(), 5);
}

// The header of a PNG file of 5 by 3 pixels.
const std::string& Png() {
  static const auto* const png = new std::string(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x05\0\0\0\x03\x08\x02", 26);
  return *png;
}

TEST_F(WandbSinkTest, PicturesPagesAndTablesAreFilesThatTheLastRowNames) {
  const fs::path run = directory_ + "-run";
  fs::create_directories(run);
  std::ofstream(run / "a.png", std::ios::binary) << Png();
  std::ofstream(run / "a.html") << "<p>page</p>";
  base::Table table({"layer", "SQNR"});
  table.AddRow({"enc1 \"x\"", {20.25, 1}});
  table.AddRow({"enc2", {std::nan(""), 1}});
  WandbSinkOptions options = Options();
  options.run_directory = run.string();
  const auto sink = WandbSink::Create(options);
  WriteAll(
      {{Scalars{2, {{"loss", 0.5}}}, "a", kTime},
       {ArmMeasured{}, "a", kTime},
       {Image{2, "heatmaps/gradients", "a.png", "What \"it\" is."}, "a", kTime},
       {Html{2, "heatmaps/gradients", "a.html"}, "a", kTime},
       {TableRecord{"layers", table}, "a", kTime},
       {ArmEnd{}, "a", kTime},
       // Of the whole run, which is no run of W&B.
       {TableRecord{"result", table}, "", kTime}},
      *sink);
  const auto records = Parse(Runs().begin()->second);
  fs::path files;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    files = entry.path() / "files";
  }
  std::vector<std::string> media;
  std::map<std::string, std::string> row;
  for (const wandb::Record& record : records) {
    for (const auto& file : record.files().files()) {
      EXPECT_EQ(file.type(), wandb::FilesRecord::MEDIA);
      EXPECT_TRUE(row.empty()) << "a file is named after its row";
      media.push_back(file.path());
    }
    if (record.has_history()) row = ByKey(record.history().item());
  }
  ASSERT_EQ(media.size(), 3u);
  EXPECT_EQ(row.at("_step"), "2");
  const auto image = Nested(row, "heatmaps/gradients");
  EXPECT_EQ(image["_type"], "image-file");
  EXPECT_EQ(image["path"], media[0]);
  EXPECT_EQ(image["path"],
            "media/images/heatmaps/gradients_2_" +
                image["sha256"].get<std::string>().substr(0, 20) + ".png");
  EXPECT_EQ(image["width"], 5);
  EXPECT_EQ(image["height"], 3);
  EXPECT_EQ(image["size"], Png().size());
  EXPECT_EQ(image["caption"], "What \"it\" is.");
  EXPECT_EQ(Read(files / media[0]), Png());

  const auto page = Nested(row, "heatmaps/gradients_page");
  EXPECT_EQ(page["_type"], "html-file");
  EXPECT_EQ(page["path"], media[1]);
  EXPECT_EQ(Read(files / media[1]), "<p>page</p>");

  const auto layers = Nested(row, "layers");
  EXPECT_EQ(layers["_type"], "table-file");
  EXPECT_EQ(layers["ncols"], 2);
  EXPECT_EQ(layers["nrows"], 2);
  EXPECT_EQ(Read(files / media[2]),
            R"({"columns":["layer","SQNR"],"data":[["enc1 \"x\"",20.25],)"
            R"(["enc2","NaN"]]})");
  // Media are no metrics with a curve.
  for (const wandb::Record& record : records) {
    if (record.has_metric()) {
      EXPECT_EQ(record.metric().name(), "loss");
    }
  }
}

TEST_F(WandbSinkTest, WhatFollowsFromOtherNumbersIsLeftOut) {
  const auto sink = WandbSink::Create(Options());
  const LayerStats activations{
      1,
      TensorKind::kActivations,
      "a",
      {{StatId::kP25, -1}, {StatId::kP50, 0}, {StatId::kP75, 1}}};
  WriteAll(
      {{activations, "nvfp4", kTime},
       {LayerStats{
            1, TensorKind::kWeightsDequantized, "a", {{StatId::kMean, 2}}},
        "nvfp4", kTime},
       {LayerStats{1,
                   TensorKind::kGradients,
                   "a",
                   {{StatId::kNorm, 3}, {StatId::kSqnrDb, 4}}},
        "nvfp4", kTime},
       {LayerStats{
            1, TensorKind::kGradients, "a", {{StatId::kSqnrDb, 5}}, "mxfp4"},
        "nvfp4", kTime},
       {LayerHistogram{1,
                       TensorKind::kActivations,
                       "a",
                       HistogramOf::kE4m3Scales,
                       0,
                       {4, 1}},
        "nvfp4", kTime},
       {ArmEnd{}, "nvfp4", kTime}},
      *sink);
  const auto records = Parse(Runs().begin()->second);
  const auto row = ByKey(records[records.size() - 3].history().item());
  EXPECT_EQ(row.size(), 3u + 3);
  EXPECT_EQ(row.at("p50_activations/a"), "0");
  EXPECT_EQ(row.at("norm_gradients/a"), "3");
  EXPECT_EQ(row.at("sqnr_db_gradients_if_mxfp4/a"), "5");
}

TEST_F(WandbSinkTest, APictureThatIsMissingIsNamed) {
  const auto sink = WandbSink::Create(Options());
  const absl::Status status =
      sink->Write({Image{2, "a/b", "none.png", ""}, "nvfp4", kTime});
  EXPECT_THAT(std::string(status.message()),
              ::testing::AllOf(HasSubstr("nvfp4: "), HasSubstr("none.png")));
}

TEST_F(WandbSinkTest, TheConsoleAndTheSystemStandBesideTheHistory) {
  const auto sink = WandbSink::Create(Options());
  WriteAll({{Text{"console", "40/160 \xff"}, "a", kTime},
            {Text{"another", "line"}, "a", kTime},
            {SystemStats{3, 150, 5 << 20, int64_t{3} << 30, 9}, "a", kTime}},
           *sink);
  const auto records = Parse(Runs().begin()->second);
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[3].output_raw().line(), "40/160 \xef\xbf\xbd\n");
  EXPECT_EQ(records[3].output_raw().output_type(),
            wandb::OutputRawRecord::STDERR);
  EXPECT_EQ(records[3].output_raw().timestamp().seconds(), 1724277733);
  std::map<std::string, std::string> stats;
  for (const auto& item : records[4].stats().item()) {
    stats[item.key()] = item.value_json();
  }
  EXPECT_EQ(stats.at("cpu"), "75");  // Of two cores.
  EXPECT_EQ(stats.at("proc.memory.rssMB"), "5");
  EXPECT_EQ(stats.at("proc.memory.availableMB"), "3072");
  EXPECT_EQ(stats.at("proc.cpu.threads"), "9");
}

TEST_F(WandbSinkTest, ARunThatWasCutOffHasNoExitRecord) {
  const auto sink = WandbSink::Create(Options());
  std::vector<Record> records = Records();
  records.resize(6);
  WriteAll(records, *sink);
  ASSERT_TRUE(sink->Finish().ok());
  const auto read = Parse(Runs().begin()->second);
  ASSERT_EQ(read.size(), 9u);
  EXPECT_EQ(ByKey(read.back().history().item()).at("_step"), "2");
}

TEST_F(WandbSinkTest, AResumedTrainingWritesTheSameRunAnew) {
  for (int process = 0; process < 2; ++process) {
    const auto sink = WandbSink::Create(Options());
    WriteAll(Records(), *sink);
    ASSERT_TRUE(sink->Finish().ok());
  }
  EXPECT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Parse(Runs().begin()->second).size(), 11u);
}

TEST_F(WandbSinkTest, AFileThatIsCutOffAnywhereLosesItsLastRecord) {
  const auto sink = WandbSink::Create(Options());
  WriteAll(Records(), *sink);
  const std::string bytes = Runs().begin()->second;
  const auto all = ReadRecords(bytes);
  size_t found = 0;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const auto some = ReadRecords(bytes.substr(0, size));
    ASSERT_LE(found, some.size());
    ASSERT_LE(some.size(), found + 1);  // One after the other comes back.
    found = some.size();
    for (size_t i = 0; i < found; ++i) EXPECT_EQ(some[i], all[i]);
  }
  EXPECT_EQ(found, 11u);
}

TEST_F(WandbSinkTest, BeyondTheLimitKeysAreLeftOutAndCounted) {
  const auto sink = WandbSink::Create(Options());
  Scalars many{1, {}};
  for (int i = 0; i < 2005; ++i)
    many.values.push_back({absl::StrCat("k", i), i});
  base::Table table({"layer"});
  table.AddRow({"enc1"});
  CaptureStderr();
  WriteAll({{many, "a", kTime},
            {TableRecord{"layers", table}, "a", kTime},
            {ArmEnd{}, "a", kTime}},
           *sink);
  EXPECT_THAT(GetCapturedStderr(),
              HasSubstr(" 105 keys are in metrics.jsonl but not in W&B"));
  // The table, which has six fields, has a place that numbers do not take.
  const auto records = Parse(Runs().begin()->second);
  const auto row = ByKey(records[records.size() - 3].history().item());
  EXPECT_EQ(row.size(), 1900u + 6 + 3);
  EXPECT_EQ(row.count("layers.path"), 1u);
}

// Sizes around the ends of a block of 32 KiB, where a record is cut in pieces
// and the room for a chunk's header may run out.
TEST(WandbFileTest, RecordsOfAllSizesComeBack) {
  const std::string path = ::testing::TempDir() + "/sizes.wandb";
  for (size_t size = 32768 - 7 - 30; size < 32768 - 7 + 10; ++size) {
    fs::remove(path);
    auto file = WandbFile::Create(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const std::vector<std::string> records = {std::string(size, 'a'), "", "b",
                                              std::string(100000, 'c'), "d"};
    for (const std::string& record : records) {
      ASSERT_TRUE((*file)->Append(record).ok());
    }
    ASSERT_TRUE((*file)->Close().ok());
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(ReadRecords(bytes), ElementsAreArray(records)) << size;
  }
}

// The first record of a file that W&B's own library wrote.
TEST(WandbFileTest, TheFramingIsWandbs) {
  const std::string path = ::testing::TempDir() + "/vector.wandb";
  fs::remove(path);
  auto file = WandbFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append(absl::string_view("\xaa\x01\x00", 3)).ok());
  ASSERT_TRUE((*file)->Close().ok());
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(bytes.substr(7),
            std::string("\x8e\x51\x0c\x54\x03\x00\x01\xaa\x01\x00", 10));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
