#include "telemetry/sinks/wandb_sink.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/wandb_sink_fixture.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST_F(WandbSinkTest, AnArmIsARunAndAStepIsARow) {
  const auto sink = WandbSink::Create(Options());
  WriteAll(Records(), *sink);
  ASSERT_TRUE(sink->Finish().ok());
  ASSERT_EQ(Runs().size(), 1u);
  const auto records = Parse(Runs().begin()->second);
  ASSERT_EQ(records.size(), 11u);
  EXPECT_EQ(records[0].header().version_info().min_consumer(), "0.21.0");

  // `wandb sync` waits for ever without it.
  EXPECT_FALSE(records[1].control().mailbox_slot().empty());
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

TEST_F(WandbSinkTest,
       PicturesPagesTablesAndFiguresAreFilesThatTheLastRowNames) {
  const fs::path run = directory_ + "-run";
  fs::create_directories(run);
  std::ofstream(run / "a.png", std::ios::binary) << Png();
  std::ofstream(run / "a.html") << "<p>page</p>";
  std::ofstream(run / "a.json") << R"({"data":[],"layout":{}})";
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
       {Figure{2, "figures/loss", "a.json"}, "a", kTime},
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
  ASSERT_EQ(media.size(), 4u);
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
  const auto figure = Nested(row, "figures/loss");
  EXPECT_EQ(figure["_type"], "plotly-file");
  EXPECT_EQ(figure["path"], media[3]);
  EXPECT_EQ(figure["path"],
            "media/plotly/figures/loss_2_" +
                figure["sha256"].get<std::string>().substr(0, 20) +
                ".plotly.json");
  EXPECT_EQ(figure["size"], 23);
  EXPECT_EQ(Read(files / media[3]), R"({"data":[],"layout":{}})");
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
       {LayerStats{1,
                   TensorKind::kWgradActivations,
                   "a",
                   {{StatId::kSqnrDb, 6}, {StatId::kEntropyBits, 7}}},
        "nvfp4", kTime},
       {LayerHistogram{1,
                       TensorKind::kWgradOutputGradients,
                       "a",
                       HistogramOf::kCodes,
                       0,
                       {4, 1}},
        "nvfp4", kTime},
       {ArmEnd{}, "nvfp4", kTime}},
      *sink);
  const auto records = Parse(Runs().begin()->second);
  const auto row = ByKey(records[records.size() - 3].history().item());
  EXPECT_EQ(row.size(), 4u + 3);
  EXPECT_EQ(row.at("sqnr_db_wgrad_activations/a"), "6");
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

TEST_F(WandbSinkTest, AnArtifactOutsideOfTheRunIsRefused) {
  std::ofstream(directory_ + "/secret") << "not of the run";
  WandbSinkOptions options = Options();
  options.run_directory = directory_ + "/run";
  options.labels.log_model = true;
  const auto sink = WandbSink::Create(options);
  const absl::Status status =
      sink->Write({Artifact{2, "weights", "model", "../secret"}, "a", kTime});
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("../secret"));
}

TEST_F(WandbSinkTest, TheConsoleAndTheSystemStandBesideTheHistory) {
  const auto sink = WandbSink::Create(Options());
  WriteAll({{Text{"console", "40/160 \xff"}, "a", kTime},
            {Text{"another", "line"}, "a", kTime},
            {SystemStats{3,
                         150,
                         5 << 20,
                         int64_t{3} << 30,
                         9,
                         {{87, 1 << 30, int64_t{4} << 30, 61, NAN}}},
             "a", kTime}},
           *sink);
  const auto records = Parse(Runs().begin()->second);
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[3].output_raw().line(), "40/160 \xef\xbf\xbd\n");
  EXPECT_EQ(records[3].output_raw().output_type(),
            wandb::OutputRawRecord::STDOUT);
  EXPECT_EQ(records[3].output_raw().timestamp().seconds(), 1724277733);
  std::map<std::string, std::string> stats;
  for (const auto& item : records[4].stats().item()) {
    stats[item.key()] = item.value_json();
  }
  EXPECT_EQ(stats.at("cpu"), "75");  // Of two cores.
  EXPECT_EQ(stats.at("proc.memory.rssMB"), "5");
  EXPECT_EQ(stats.at("proc.memory.availableMB"), "3072");
  EXPECT_EQ(stats.at("proc.cpu.threads"), "9");
  EXPECT_EQ(stats.at("gpu.0.gpu"), "87");
  EXPECT_EQ(stats.at("gpu.0.memoryAllocated"), "25");
  EXPECT_EQ(stats.at("gpu.0.memoryAllocatedBytes"), "1073741824");
  EXPECT_EQ(stats.at("gpu.0.temp"), "61");
  EXPECT_EQ(stats.count("gpu.0.powerWatts"), 0u);  // It does not tell.
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
              HasSubstr(" 165 keys are in metrics.jsonl but not in W&B"));
  // The table, which has six fields, has a place that numbers do not take.
  const auto records = Parse(Runs().begin()->second);
  const auto row = ByKey(records[records.size() - 3].history().item());
  EXPECT_EQ(row.size(), 1840u + 6 + 3);
  EXPECT_EQ(row.count("layers.path"), 1u);
}

}  // namespace
}  // namespace cnn_fp4::telemetry
