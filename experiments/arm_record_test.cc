#include "experiments/arm_record.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

ArmRecord Example() {
  ArmRecord record;
  record.arm = "nvfp4-first-bf16-12ab";
  record.policy = "nvfp4:first=bf16";
  record.experiment = "fp16_vs_nvfp4_s025";
  record.digest = "0123abcd";
  record.seed = 7;
  record.num_parameters = 1944066;
  record.steps = 120;
  record.skipped_steps = 1;
  record.finished = true;
  record.train_loss = 0.1 + 0.2;
  record.metrics = {
      {"loss", "val loss", "", 0.5, false},
      {"mean_iou", "mIoU", "%", 1.0 / 3, true, true},
      {"iou/absent", "IoU absent", "", std::numeric_limits<double>::quiet_NaN(),
       true, false, false}};
  record.best = 0.9;
  record.layer_means = {{"sqnr_db/activations", 1.0 / 3}};
  record.median_step_seconds = 0.125;
  record.train_seconds = 31.25;
  record.cpu = "a CPU";
  record.device = "cpu";
  record.threads = 2;
  record.git_revision = "abc+";
  record.libtorch_version = "2.9.1";
  return record;
}

TEST(ArmRecord, KeysAreStable) {
  const json object = json::parse(ToJson(Example()));
  EXPECT_EQ(object["schema_version"], 1);
  EXPECT_EQ(object["arm"], "nvfp4-first-bf16-12ab");
  EXPECT_EQ(object["policy"], "nvfp4:first=bf16");
  EXPECT_EQ(object["seed"], 7);
  EXPECT_EQ(object["metrics"]["mean_iou"].dump(),
            "{\"headline\":true,\"higher_is_better\":true,\"in_table\":true,"
            "\"title\":\"mIoU\",\"unit\":\"%\",\"value\":0.3333333333333333}");
  EXPECT_EQ(object["metrics"]["iou/absent"]["value"], "NaN");
  EXPECT_EQ(object["layer_means"]["sqnr_db/activations"], 1.0 / 3);
  EXPECT_EQ(object["threads"], 2);
  EXPECT_EQ(object["git_revision"], "abc+");
  EXPECT_EQ(object["finished"], true);
}

TEST(ArmRecord, ReadsBack) {
  const auto back = ParseArmRecord(ToJson(Example()));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*back), ToJson(Example()));
  EXPECT_EQ(back->train_loss, 0.1 + 0.2);
  ASSERT_EQ(back->metrics.size(), 3u);
  EXPECT_EQ(back->metrics[1].key, "mean_iou");
  EXPECT_EQ(back->metrics[1].value, 1.0 / 3);
  EXPECT_TRUE(std::isnan(back->metrics[2].value));
}

TEST(ArmRecord, WhatWasNeverMeasuredIsAbsent) {
  ArmRecord record = Example();
  record.train_loss.reset();
  record.best.reset();
  record.median_step_seconds.reset();
  record.metrics.clear();
  const json object = json::parse(ToJson(record));
  for (const char* key : {"train_loss", "best", "median_step_seconds"}) {
    EXPECT_FALSE(object.contains(key)) << key;
  }
  EXPECT_TRUE(object["metrics"].empty());
  const auto back = ParseArmRecord(object.dump());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_FALSE(back->best.has_value());
}

// Records of the versions before the key are kept in docs/results.
TEST(ArmRecord, OlderOnesHaveNoThreads) {
  json object = json::parse(ToJson(Example()));
  object.erase("threads");
  const auto back = ParseArmRecord(object.dump());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_FALSE(back->threads.has_value());
  EXPECT_FALSE(json::parse(ToJson(*back)).contains("threads"));
}

TEST(ArmRecord, RefusesWhatItDidNotWrite) {
  const json good = json::parse(ToJson(Example()));
  for (const auto& [key, value] : good.items()) {
    const bool may_be_absent = key == "train_loss" || key == "best" ||
                               key == "median_step_seconds" ||
                               key == "layer_means" || key == "threads";
    json bad = good;
    bad.erase(key);
    EXPECT_EQ(ParseArmRecord(bad.dump()).ok(), may_be_absent)
        << "without " << key;
    bad[key] = json::array({1});
    EXPECT_FALSE(ParseArmRecord(bad.dump()).ok()) << key;
    if (!value.is_number_integer()) continue;
    for (const double number : {2e46, 1.5}) {
      bad[key] = number;
      EXPECT_FALSE(ParseArmRecord(bad.dump()).ok()) << bad.dump();
    }
  }
  json newer = good;
  newer["schema_version"] = 2;
  EXPECT_THAT(ParseArmRecord(newer.dump()).status().message(),
              HasSubstr("schema_version is 2"));
  EXPECT_FALSE(ParseArmRecord("{").ok());
}

}  // namespace
}  // namespace cnn_fp4::experiments
