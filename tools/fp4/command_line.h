#ifndef TOOLS_FP4_COMMAND_LINE_H_
#define TOOLS_FP4_COMMAND_LINE_H_

// The commands of fp4 with their flags, types, defaults and --help: each is
// declared once, to CLI11.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/progress.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/report.h"

namespace cnn_fp4::fp4 {

struct CommandLine {
  // What --help prints; the rest means nothing then.
  std::string help;
  // "quantize", "dequantize", "inspect", "compare" or "recipes".
  std::string command;
  // Of inspect, `input` alone; of compare, both.
  std::string input, output;
  std::optional<Layout> layout;
  base::ProgressMode progress = base::ProgressMode::kAuto;
  QuantizeFileOptions quantize;
  Limits limits;
};

// Everything in it is checked but the files. InvalidArgument, one line, for
// what no command takes and for values that have no meaning.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_COMMAND_LINE_H_
