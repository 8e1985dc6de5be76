// The fp4 command; `fp4 --help` describes it.

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
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
#include "tools/fp4/command_line.h"
#include "tools/fp4/compare.h"
#include "tools/fp4/dequantize.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/report.h"

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

int Inspect(const CommandLine& line) {
  const auto reader = Reader::Open(line.input);
  if (!reader.ok()) return Exit(reader.status());
  const auto report = InspectReport(*reader, line.layout);
  if (!report.ok()) return Exit(report.status());
  std::cout << *report;
  return 0;
}

int Compare(const CommandLine& line) {
  const auto a = Reader::Open(line.input);
  if (!a.ok()) return Exit(a.status());
  const auto b = Reader::Open(line.output);
  if (!b.ok()) return Exit(b.status());
  const auto comparisons = CompareFiles(*a, *b, line.layout);
  if (!comparisons.ok()) return Exit(comparisons.status());
  std::cout << CompareReport(*comparisons, line.limits);
  const auto broken = absl::c_count_if(
      *comparisons, [&](const auto& c) { return Breaks(c, line.limits); });
  if (broken == 0) return 0;
  return Fail(kFailure, absl::StrCat(broken, " of ", comparisons->size(),
                                     " tensors differ too much"));
}

int RunCommand(const CommandLine& line) {
  LateProgress progress(line.progress, line.command);
  const auto update = [&](int64_t done, int64_t total) {
    progress.Update(done, total);
  };
  if (line.command == "quantize") {
    const auto summary =
        QuantizeFile(line.input, line.output, line.quantize, update);
    if (summary.ok()) PrintLeftByDefault(*summary);
    return Exit(summary.status());
  }
  if (line.command == "dequantize") {
    return Exit(DequantizeFile(line.input, line.output, line.layout, update));
  }
  if (line.command == "inspect") return Inspect(line);
  if (line.command == "compare") return Compare(line);
  std::cout << RecipesReport();
  return 0;
}

int Main(int argc, char** argv) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(argc, argv);
  if (!line.ok()) return Fail(kUsage, line.status().message());
  if (!line->help.empty()) {
    std::cout << line->help;
    return 0;
  }
  // `bazel run` starts in a directory of its own.
  const std::string directory = base::CallerDirectory();
  if (!directory.empty() && chdir(directory.c_str()) != 0) {
    return Fail(kFailure, absl::StrCat("cannot change to ", directory));
  }
  const int status = RunCommand(*line);
  std::cout.flush();
  if (!std::cout) return Fail(kFailure, "cannot write to standard output");
  return status;
}

}  // namespace
}  // namespace cnn_fp4::fp4

int main(int argc, char** argv) { return cnn_fp4::fp4::Main(argc, argv); }
