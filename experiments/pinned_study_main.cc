// The main of every pinned study: arms, seeds and configuration are compiled
// in.

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/process_start.h"
#include "experiments/experiment_spec.h"
#include "experiments/pinned_study.h"
#include "experiments/study_program.h"
#include "experiments/study_spec.h"
#include "glog/logging.h"

namespace cnn_fp4::experiments {
namespace {

int Main(int argc, char** argv) {
  const absl::StatusOr<ExperimentSpec> experiment =
      ParseExperimentSpec(kStudyExperiment);
  CHECK(experiment.ok()) << kStudyName << ": " << experiment.status();
  const std::vector<std::string> texts = absl::StrSplit(kStudySeeds, ',');
  const absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(texts);
  CHECK(seeds.ok()) << kStudyName << ": " << seeds.status();
  std::vector<std::string> condition_texts;
  for (const char* const* text = kStudyConditions; *text != nullptr; ++text) {
    condition_texts.emplace_back(*text);
  }
  const absl::StatusOr<std::vector<Condition>> conditions =
      ParseConditions(condition_texts);
  CHECK(conditions.ok()) << kStudyName << ": " << conditions.status();
  StudyProgram program;
  program.name = kStudyName;
  program.description = absl::StrCat(
      "Trains every arm of the study ", kStudyName,
      "\nonce with every seed and says how far the arms are from the first "
      "one.\n\n"
      "The configuration is pinned (--print_config shows it); the flags "
      "choose\n"
      "where it runs. For another configuration:\n"
      "  bazel run //experiments:study -- --help\n");
  program.study = {*experiment, *seeds, *conditions};
  return RunStudyProgram(program, argc, argv);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
