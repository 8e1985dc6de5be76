// The fp4 command; `fp4 --help` describes it.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/progress.h"
#include "base/user_path.h"
#include "io/safetensors/reader.h"
#include "quant/recipe.h"
#include "tools/fp4/compare.h"
#include "tools/fp4/dequantize.h"
#include "tools/fp4/help.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/report.h"

// Help is in help.cc: a flag means the same for every command.
ABSL_FLAG(std::string, recipe, "nvfp4", "");
ABSL_FLAG(std::string, layout, "", "");
ABSL_FLAG(int64_t, axis, -1, "");
ABSL_FLAG(bool, dequantized, false, "");
ABSL_FLAG(std::string, rounding, "", "");
ABSL_FLAG(uint32_t, seed, 0, "");
ABSL_FLAG(std::string, nonfinite, "refuse", "");
ABSL_FLAG(std::vector<std::string>, include, {}, "");
ABSL_FLAG(std::vector<std::string>, exclude, {}, "");
ABSL_FLAG(std::string, input, "", "");
ABSL_FLAG(std::string, output, "", "");
ABSL_FLAG(std::optional<double>, min_sqnr, std::nullopt, "");
ABSL_FLAG(std::optional<double>, max_error, std::nullopt, "");
ABSL_FLAG(std::optional<double>, min_cosine, std::nullopt, "");
ABSL_FLAG(std::string, progress, "auto", "");

namespace cnn_fp4::fp4 {
namespace {

using safetensors::Reader;

constexpr int kFailure = 1;
constexpr int kUsage = 2;

int Fail(int exit_status, absl::string_view message) {
  std::cerr << "fp4: " << message << "\n";
  return exit_status;
}

int Exit(const absl::Status& status) {
  return status.ok() ? 0 : Fail(kFailure, status.message());
}

// Work that is over in a moment shows no progress.
constexpr absl::Duration kQuiet = absl::Seconds(1);

class LateProgress {
 public:
  LateProgress(base::ProgressMode mode, absl::string_view what)
      : mode_(mode), what_(what) {}

  void Update(int64_t done, int64_t total) {
    if (progress_ == nullptr) {
      if (absl::Now() - start_ < kQuiet) return;
      base::ProgressOptions options;
      options.unit = "B";
      options.unit_scale = true;
      options.initial = done;
      progress_ =
          std::make_unique<base::Progress>(mode_, what_, total, options);
    }
    progress_->Update(done);
  }

 private:
  const base::ProgressMode mode_;
  const std::string what_;
  const absl::Time start_ = absl::Now();
  std::unique_ptr<base::Progress> progress_;
};

// What the flags say, after everything in them has been checked.
struct Arguments {
  std::optional<Layout> layout;
  base::ProgressMode progress = base::ProgressMode::kAuto;
  QuantizeFileOptions quantize;
  std::vector<std::string> files;
};

absl::Status CheckFiles() {
  for (const auto* flag : {&FLAGS_input, &FLAGS_output}) {
    if (absl::GetFlag(*flag).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", absl::GetFlagReflectionHandle(*flag).Name(),
                       "=FILE is missing"));
    }
  }
  return absl::OkStatus();
}

// Flags of other commands; a flag that is given its default is not noticed.
absl::Status CheckFlags(const Command& command) {
  for (const Command& other : Commands()) {
    for (const absl::string_view name : other.flags) {
      if (absl::c_linear_search(command.flags, name)) continue;
      const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
      if (flag->CurrentValue() != flag->DefaultValue()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", name, " is not a flag of fp4 ", command.name));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Arguments> Check(const Command& command,
                                const std::vector<char*>& positional) {
  absl::Status status = CheckFlags(command);
  if (!status.ok()) return status;
  Arguments arguments;
  arguments.files.assign(positional.begin() + 1, positional.end());
  if (static_cast<int>(arguments.files.size()) != command.num_files) {
    return absl::InvalidArgumentError(absl::StrCat(
        "fp4 ", command.name, " takes ", command.num_files, " files, not ",
        arguments.files.size(), "; try fp4 ", command.name, " --help"));
  }
  if (const std::string layout = absl::GetFlag(FLAGS_layout); !layout.empty()) {
    const absl::StatusOr<Layout> parsed = ParseLayout(layout);
    if (!parsed.ok()) return parsed.status();
    arguments.layout = *parsed;
  }
  const auto mode = base::ParseProgressMode(absl::GetFlag(FLAGS_progress));
  if (!mode.ok()) return mode.status();
  arguments.progress = *mode;
  if (absl::c_linear_search(command.flags, "input")) {
    status = CheckFiles();
    if (!status.ok()) return status;
  }
  if (command.name != "quantize") return arguments;

  std::string recipe = absl::GetFlag(FLAGS_recipe);
  if (const std::string rounding = absl::GetFlag(FLAGS_rounding);
      !rounding.empty()) {
    absl::StrAppend(&recipe, "+", rounding);
  }
  const auto found = quant::FindRecipe(recipe);
  if (!found.ok()) return found.status();
  const std::string nonfinite = absl::GetFlag(FLAGS_nonfinite);
  if (nonfinite != "refuse" && nonfinite != "saturate") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--nonfinite is refuse or saturate, not '", nonfinite, "'"));
  }
  QuantizeFileOptions& options = arguments.quantize;
  options.recipe = *found;
  options.layout = arguments.layout.value_or(Layout::kModelOpt);
  options.axis = absl::GetFlag(FLAGS_axis);
  options.dequantized = absl::GetFlag(FLAGS_dequantized);
  options.saturate = nonfinite == "saturate";
  options.seed = absl::GetFlag(FLAGS_seed);
  options.include = absl::GetFlag(FLAGS_include);
  options.exclude = absl::GetFlag(FLAGS_exclude);
  return arguments;
}

// Says which tensors were copied though nobody asked for it.
void PrintLeftByDefault(const QuantizeSummary& summary) {
  constexpr size_t kShown = 8;
  std::vector<std::string> names;
  for (const std::string& name : summary.left_by_default) {
    if (names.size() < kShown) names.push_back(absl::Utf8SafeCHexEscape(name));
  }
  if (names.empty()) return;
  const size_t all = summary.left_by_default.size();
  std::cout << absl::StrCat(
      summary.quantized, " tensors quantised; ", all,
      " copied that usually are not (fewer than 2 dimensions, norm or bias; "
      "--include=GLOB takes them): ",
      absl::StrJoin(names, ", "),
      all > names.size() ? absl::StrCat(" and ", all - names.size(), " more")
                         : "",
      "\n");
}

int Inspect(const Arguments& arguments) {
  const auto reader = Reader::Open(arguments.files[0]);
  if (!reader.ok()) return Exit(reader.status());
  const auto report = InspectReport(*reader, arguments.layout);
  if (!report.ok()) return Exit(report.status());
  std::cout << *report;
  return 0;
}

int Compare(const Arguments& arguments) {
  const auto a = Reader::Open(arguments.files[0]);
  if (!a.ok()) return Exit(a.status());
  const auto b = Reader::Open(arguments.files[1]);
  if (!b.ok()) return Exit(b.status());
  const auto comparisons = CompareFiles(*a, *b, arguments.layout);
  if (!comparisons.ok()) return Exit(comparisons.status());
  const Limits limits = {absl::GetFlag(FLAGS_min_sqnr),
                         absl::GetFlag(FLAGS_max_error),
                         absl::GetFlag(FLAGS_min_cosine)};
  std::cout << CompareReport(*comparisons, limits);
  const auto broken = absl::c_count_if(
      *comparisons, [&](const auto& c) { return Breaks(c, limits); });
  if (broken == 0) return 0;
  return Fail(kFailure, absl::StrCat(broken, " of ", comparisons->size(),
                                     " tensors differ too much"));
}

int RunCommand(const Command& command, const Arguments& arguments) {
  const std::string input = absl::GetFlag(FLAGS_input);
  const std::string output = absl::GetFlag(FLAGS_output);
  LateProgress progress(arguments.progress, command.name);
  const auto update = [&](int64_t done, int64_t total) {
    progress.Update(done, total);
  };
  if (command.name == "quantize") {
    const auto summary =
        QuantizeFile(input, output, arguments.quantize, update);
    if (summary.ok()) PrintLeftByDefault(*summary);
    return Exit(summary.status());
  }
  if (command.name == "dequantize") {
    return Exit(DequantizeFile(input, output, arguments.layout, update));
  }
  if (command.name == "inspect") return Inspect(arguments);
  if (command.name == "compare") return Compare(arguments);
  std::cout << RecipesReport();
  return 0;
}

// absl ends the process with status 1 for a flag that it does not know or
// cannot parse; ours is 2.
bool parsing_flags = false;

void ExitAsUsageError() {
  if (!parsing_flags) return;
  std::fflush(nullptr);
  std::_Exit(kUsage);
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << GeneralHelp();
    return kUsage;
  }
  const absl::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    std::cout << GeneralHelp();
    return 0;
  }
  const Command* command = FindCommand(name);
  if (command == nullptr) {
    return Fail(kUsage,
                absl::StrCat("no command '", name, "'; fp4 --help lists them"));
  }
  for (int i = 2; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::cout << command->usage;
      return 0;
    }
  }
  parsing_flags = true;
  std::atexit(ExitAsUsageError);
  const std::vector<char*> positional =
      absl::ParseCommandLine(argc - 1, argv + 1);
  parsing_flags = false;
  const absl::StatusOr<Arguments> arguments = Check(*command, positional);
  if (!arguments.ok()) return Fail(kUsage, arguments.status().message());
  // `bazel run` starts in a directory of its own.
  const std::string directory = base::CallerDirectory();
  if (!directory.empty() && chdir(directory.c_str()) != 0) {
    return Fail(kFailure, absl::StrCat("cannot change to ", directory));
  }
  const int status = RunCommand(*command, *arguments);
  std::cout.flush();
  if (!std::cout) return Fail(kFailure, "cannot write to standard output");
  return status;
}

}  // namespace
}  // namespace cnn_fp4::fp4

int main(int argc, char** argv) { return cnn_fp4::fp4::Main(argc, argv); }
