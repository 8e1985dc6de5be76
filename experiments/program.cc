#include "experiments/program.h"

#include <cstdio>

#include "base/user_path.h"
#include "experiments/flag_use.h"
#include "experiments/init_weights.h"
#include "experiments/runner.h"
#include "glog/logging.h"
#include "train/stop_signal.h"

namespace cnn_fp4::experiments {

const std::map<std::string, std::string>& RenamedFlags() {
  static const auto* const names =
      new std::map<std::string, std::string>{{"arms", "models"}};
  return *names;
}

int ExitStatusFor(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

void LetEpochsDecide(const base::ParsedFlags& parsed, train::TrainSpec& train) {
  if (parsed.given.count("train.epochs") > 0 &&
      parsed.given.count("train.steps") == 0 && train.epochs > 0) {
    train.steps = 0;
  }
}

Program::Program(const std::string& description) : parser_(description) {
  parser_.AddFields(base::Fields(actions_), "Instead of a run");
  parser_.AddFields(base::Fields(options_), "The run");
}

absl::StatusOr<base::ParsedFlags> Program::ParseFlags(int argc, char** argv) {
  absl::StatusOr<base::ParsedFlags> parsed = parser_.Parse(argc, argv);
  if (parsed.ok()) given_ = parsed->given;
  if (parsed.ok() && parsed->help) std::printf("%s", parser_.Help().c_str());
  return parsed;
}

int RefuseCall(const base::FlagParser& parser, const absl::Status& status,
               int exit_status) {
  std::fprintf(stderr, "error: %s\n",
               parser.WithFlag(status.message()).c_str());
  return exit_status;
}

Call ParseCall(base::FlagParser& parser, int argc, char** argv) {
  const absl::StatusOr<base::ParsedFlags> parsed = parser.Parse(argc, argv);
  if (!parsed.ok()) {
    return {RefuseCall(parser, parsed.status(), kExitUsage), {}};
  }
  if (!parsed->help) return {std::nullopt, parsed->given};
  std::printf("%s", parser.Help().c_str());
  return {0, {}};
}

int Program::Refuse(const absl::Status& status, int exit_status) const {
  return RefuseCall(parser_, status, exit_status);
}

int Program::Run(const std::string& name, const ExperimentSpec& spec) {
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(name.c_str());
  absl::Status status = Check(spec);
  status.Update(Check(options_));
  if (status.ok()) status = CheckFlagsApply(given_, spec, options_);
  if (actions_.smoke) status.Update(CheckFlagsOfSmoke(given_));
  if (!status.ok()) return Refuse(status);
  RunOptions options = options_;
  options.init = base::UserPath(options.init);
  status = CheckInit(options.init, spec.train);
  if (!status.ok()) return Refuse(status, ExitStatusFor(status));
  if (actions_.print_config) {
    std::printf("%s\n", base::ToJson(spec).c_str());
    return 0;
  }
  train::InstallStopSignalHandlers();
  if (actions_.smoke) {
    status = RunSmokeTest(name, spec);
    return status.ok() ? 0 : Refuse(status, kExitFailure);
  }
  options.output_dir = options.output_dir.empty()
                           ? DefaultOutputDir()
                           : base::UserPath(options.output_dir);
  options.read.data_root = base::UserPath(options.read.data_root);
  if (options.resume != "latest") {
    options.resume = base::UserPath(options.resume);
  }
  const absl::StatusOr<RunOutcome> outcome = RunExperiment(name, spec, options);
  if (!outcome.ok()) return Refuse(outcome.status(), kExitFailure);
  return outcome->exit_code;
}

}  // namespace cnn_fp4::experiments
