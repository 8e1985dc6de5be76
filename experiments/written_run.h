#ifndef EXPERIMENTS_WRITTEN_RUN_H_
#define EXPERIMENTS_WRITTEN_RUN_H_

// For tests of what reads runs: a run directory as a training would leave it,
// without a training.

#include <fstream>
#include <string>

#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "experiments/arm_record.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_directory.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {

// The returned object holds the run's lock. Its metrics.jsonl has one loss of
// each arm.
inline RunDirectory WrittenRun(const std::string& root,
                               const std::string& experiment,
                               const ExperimentSpec& spec, int day) {
  RunFacts facts;
  facts.started = absl::FromCivil(absl::CivilSecond(2026, 2, day, 4, 5, 6),
                                  absl::UTCTimeZone());
  facts.device = "cpu";
  facts.cpu = "CPU <A>";
  facts.class_names = {"background", "nucleus"};
  absl::StatusOr<RunDirectory> run =
      RunDirectory::Create(root, experiment, spec, facts);
  EXPECT_TRUE(run.ok()) << run.status();
  std::ofstream metrics(run->Metrics());
  for (const std::string& arm : ArmKeys(spec)) {
    metrics << R"({"type":"scalars","time":1,"model":")" << arm
            << R"(","step":1,"values":{"train/loss":0.5,"val/mean_iou":0.25}})"
            << "\n";
  }
  return *std::move(run);
}

// arms/<arm>/arm.json of an arm that has ended.
inline void EndArm(const RunDirectory& run, const std::string& policy,
                   double iou) {
  ArmRecord record;
  record.arm = record.policy = policy;
  record.steps = 40;
  record.finished = true;
  record.train_loss = 0.75;
  record.metrics = {
      {"mean_iou", "mIoU", "", iou, true, true},
      {"iou/nucleus", "IoU nucleus", "", iou, true, false, false}};
  record.median_step_seconds = 0.5;
  EXPECT_TRUE(
      base::WriteFileAtomically(run.ArmJson(policy), ToJson(record)).ok());
}

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_WRITTEN_RUN_H_
