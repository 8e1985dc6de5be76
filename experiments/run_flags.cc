#include "experiments/run_flags.h"

#include <cstdio>
#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "experiments/run_directory.h"
#include "experiments/runner.h"
#include "glog/logging.h"
#include "train/stop_signal.h"

ABSL_FLAG(
    std::string, output_dir, "",
    "Where runs are written, as <output_dir>/<experiment>/<time>-<digest>."
    " Default: runs/ in the workspace.");
ABSL_FLAG(std::string, data_root, "",
          "Directory of the data set; the embedded one needs none.");
ABSL_FLAG(std::string, device, "cpu", "cpu, cuda, or auto: cuda if there is.");
ABSL_FLAG(int64_t, logf, 10,
          "Measure every layer each so many steps: the columns of the "
          "heatmaps. 0: the first and the last step only.");
ABSL_FLAG(int64_t, threads, 0,
          "CPU threads; 0: one for each core (or OMP_NUM_THREADS). Results "
          "repeat bit for bit with "
          "the same number.");
ABSL_FLAG(std::string, resume, "",
          "Continue a run from its newest checkpoint: its directory, or "
          "'latest'.");
ABSL_FLAG(std::string, progress, "auto",
          "auto, bar, lines or off: how progress is shown on stderr.");
ABSL_FLAG(bool, smoke, false,
          "Run in miniature on synthetic images, check the output, remove it.");
ABSL_FLAG(bool, print_config, false,
          "Print the configuration as JSON and exit.");

namespace cnn_fp4::experiments {
namespace {

// "--model_scale_factor=0.5" -> "model_scale_factor"; "" for no flag.
std::string FlagName(absl::string_view argument) {
  if (!absl::StartsWith(argument, "-")) return "";
  argument.remove_prefix(absl::StartsWith(argument, "--") ? 2 : 1);
  return std::string(argument.substr(0, argument.find('=')));
}

bool IsKnown(const std::string& name) {
  if (absl::FindCommandLineFlag(name) != nullptr) return true;
  // --nosmoke.
  return absl::StartsWith(name, "no") &&
         absl::FindCommandLineFlag(name.substr(2)) != nullptr;
}

}  // namespace

void PrintError(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
}

void ParseFlags(int argc, char** argv, const std::string& usage,
                const std::function<std::string(const std::string&)>& hint) {
  // Abseil says "Unknown command line flag" and nothing else; say it better.
  for (int i = 1; i < argc && absl::string_view(argv[i]) != "--"; ++i) {
    const std::string name = FlagName(argv[i]);
    if (name.empty() || name == "help" || IsKnown(name)) continue;
    PrintError(absl::StrCat("unknown flag --", name, hint(name)));
    std::exit(kExitUsage);
  }
  absl::SetProgramUsageMessage(usage);
  // --help: not the flags of main's own file alone, but all of this directory.
  absl::FlagsUsageConfig help;
  help.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "experiments/");
  };
  absl::SetFlagsUsageConfig(help);
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  if (positional.size() > 1) {
    PrintError(absl::StrCat("unexpected argument '", positional[1],
                            "'; flags look like --logf=50"));
    std::exit(kExitUsage);
  }
}

absl::StatusOr<RunOptions> RunOptionsFromFlags() {
  RunOptions options;
  options.output_dir = UserPath(absl::GetFlag(FLAGS_output_dir));
  if (options.output_dir.empty()) options.output_dir = DefaultOutputDir();
  options.data_root = UserPath(absl::GetFlag(FLAGS_data_root));
  options.device = absl::GetFlag(FLAGS_device);
  options.logf = absl::GetFlag(FLAGS_logf);
  options.threads = absl::GetFlag(FLAGS_threads);
  options.resume = absl::GetFlag(FLAGS_resume);
  if (options.resume != "latest") options.resume = UserPath(options.resume);
  if (options.logf < 0 || options.threads < 0) {
    return absl::InvalidArgumentError(
        "--logf and --threads must not be negative");
  }
  const absl::StatusOr<base::ProgressMode> progress =
      base::ParseProgressMode(absl::GetFlag(FLAGS_progress));
  if (!progress.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--progress: ", progress.status().message()));
  }
  options.progress = *progress;
  return options;
}

int RunFromFlags(const std::string& name, const ExperimentSpec& spec) {
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(name.c_str());
  if (absl::GetFlag(FLAGS_print_config)) {
    std::printf("%s\n", ToJson(spec).c_str());
    return 0;
  }
  const absl::StatusOr<RunOptions> options = RunOptionsFromFlags();
  if (!options.ok()) {
    PrintError(std::string(options.status().message()));
    return kExitUsage;
  }
  train::InstallStopSignalHandlers();
  absl::Status status;
  int exit_code = 0;
  if (absl::GetFlag(FLAGS_smoke)) {
    status = RunSmokeTest(name, spec);
  } else {
    const absl::StatusOr<RunOutcome> outcome =
        RunExperiment(name, spec, *options);
    status = outcome.status();
    if (outcome.ok()) exit_code = outcome->exit_code;
  }
  if (!status.ok()) {
    PrintError(std::string(status.message()));
    return kExitFailure;
  }
  return exit_code;
}

}  // namespace cnn_fp4::experiments
