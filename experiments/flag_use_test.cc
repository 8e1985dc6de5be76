#include "experiments/flag_use.h"

#include <string>

#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(FlagUse, RefusesWhatNothingWouldRead) {
  ExperimentSpec spec;
  RunOptions options;
  const auto message = [&](const std::string& path) {
    return Message(CheckFlagsApply({path}, spec, options));
  };
  for (const char* path :
       {"batch.min_scale", "batch.foreground_probability", "train.warmup_steps",
        "train.initial_loss_scale", "train.loss_scale_growth_factor",
        "loader.prefetch", "read.max_pixels", "wandb.wandb_tags"}) {
    EXPECT_EQ(message(path), "") << path;
  }
  spec.batch.augment = false;
  spec.train.steps = 5;
  spec.train.warmup_steps = 6;
  spec.arms = {"fp32", "nvfp4:first=fp16"};
  options.loader.workers = 0;
  options.sinks = {"heatmaps"};
  // What was not given may be a default that does not fit.
  EXPECT_EQ(message("train.steps"), "");
  EXPECT_EQ(message("batch.min_scale"),
            "min_scale is a part of augmentation, which is off");
  EXPECT_EQ(message("train.warmup_steps"),
            "warmup_steps is 6, but there are 5 steps: the learning rate would "
            "not reach its peak");
  EXPECT_EQ(message("batch.foreground_probability"),
            "foreground_probability is a part of augmentation, which is off");
  EXPECT_EQ(message("train.initial_loss_scale"),
            "initial_loss_scale is for arms that scale the loss, such as fp16; "
            "none of these does");
  const std::string not_dynamic =
      "loss_scale_growth_factor is for arms whose loss scale grows and falls, "
      "such as fp16; none of these has one";
  EXPECT_EQ(message("train.loss_scale_growth_factor"), not_dynamic);
  EXPECT_EQ(message("loader.prefetch"),
            "prefetch is for workers, of which there are none");
  EXPECT_EQ(message("wandb.wandb_tags"),
            "wandb_tags is for the sink wandb, which is not among the sinks");
  spec.arms.push_back("nvfp4:loss_scaling=static");
  EXPECT_EQ(message("train.initial_loss_scale"), "");
  EXPECT_EQ(message("train.loss_scale_growth_factor"), not_dynamic);
  spec.arms.push_back("nvfp4:loss_scaling=dynamic");
  EXPECT_EQ(message("train.loss_scale_growth_factor"), "");
  spec.data.dataset = "synthetic";
  EXPECT_EQ(message("read.max_pixels"),
            "max_pixels is for images that are read from files, and "
            "--dataset=synthetic draws its own");
  EXPECT_EQ(message("batch.mean"), "");
  spec.batch.normalization = "image";
  EXPECT_EQ(message("batch.mean"),
            "mean is for --normalization=constants, and it is image");
}

TEST(FlagUse, AStudysConditionsReadWhatTheyAndTheFlagsSet) {
  StudySpec study;
  const auto message = [&](const std::set<std::string>& given,
                           const std::vector<std::string>& conditions) {
    study.conditions = *ParseConditions(conditions);
    return Message(CheckFlagsApply(given, study, RunOptions()));
  };
  const std::string off = "off:batch.augment=false";
  const std::string on = "on:batch.augment=true";
  EXPECT_EQ(message({"batch.min_scale"}, {off, on}), "");
  EXPECT_EQ(message({"batch.min_scale"}, {off}),
            "min_scale is a part of augmentation, which is off");
  EXPECT_EQ(message({}, {on, off + ";batch.min_scale=0.5"}),
            "conditions: off: min_scale is a part of augmentation, which is "
            "off");
  EXPECT_EQ(message({}, {off, on + ";batch.min_scale=0.5"}), "");
  EXPECT_EQ(message({"train.steps"}, {}), "");
}

TEST(FlagUse, SmokeChoosesItsOwnDataAndDirectory) {
  EXPECT_EQ(Message(CheckFlagsOfSmoke({"threads", "device", "train.steps"})),
            "");
  for (const char* path : {"output_dir", "resume", "read.data_root"}) {
    const std::string message = Message(CheckFlagsOfSmoke({path}));
    EXPECT_NE(message.find(" does not apply to --smoke"), std::string::npos)
        << path;
  }
  EXPECT_EQ(Message(CheckFlagsOfSmoke({"read.strict"})).rfind("strict ", 0), 0);
}

}  // namespace
}  // namespace cnn_fp4::experiments
