#ifndef TOOLS_FP4_HELP_H_
#define TOOLS_FP4_HELP_H_

// The commands, their flags and what --help prints: one table.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cnn_fp4::fp4 {

struct Command {
  absl::string_view name;
  absl::string_view summary;  // One line.
  absl::string_view usage;    // Everything that --help shows.
  // Flags it takes; --progress and absl's own are always allowed.
  std::vector<absl::string_view> flags;
  int num_files;  // Positional arguments.
};

absl::Span<const Command> Commands();

// nullptr if there is none of this name.
const Command* FindCommand(absl::string_view name);

// What `fp4 --help` prints.
std::string GeneralHelp();

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_HELP_H_
