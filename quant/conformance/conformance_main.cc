// Every recipe on every implementation against the reference, as a table:
//
//   bazel run //quant:conformance -- --elements=300000 --output_dir=DIR
//
// prints Markdown and, with --output_dir, writes conformance.md and
// conformance.json there. Exit status 1 if anything differs or cannot be
// written, 2 for wrong flags.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "base/user_path.h"
#include "quant/conformance/conformance.h"

ABSL_FLAG(int64_t, elements, 300000, "elements for each recipe");
ABSL_FLAG(std::string, output_dir, "", "directory for the two files");

namespace {

// Under a temporary name first: no half file under the final one.
bool Write(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  std::ofstream file(temporary);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (file && !error) return true;
  std::fprintf(stderr, "cannot write %s\n", path.c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "compares the fast quantisers with the reference");
  absl::ParseCommandLine(argc, argv);
  const int64_t elements = absl::GetFlag(FLAGS_elements);
  if (elements < 1) {
    std::fprintf(stderr, "--elements must be positive\n");
    return 2;
  }
  const auto rows = cnn_fp4::quant::RunConformance(elements);
  const std::string markdown = cnn_fp4::quant::ToMarkdown(rows);
  std::printf("%s", markdown.c_str());
  bool ok = true;
  if (const std::string dir = absl::GetFlag(FLAGS_output_dir); !dir.empty()) {
    const std::filesystem::path path = cnn_fp4::base::UserPath(dir);
    std::error_code error;
    std::filesystem::create_directories(path, error);
    ok = Write(path / "conformance.md", markdown) &&
         Write(path / "conformance.json", cnn_fp4::quant::ToJson(rows));
  }
  for (const auto& row : rows) ok = ok && row.mismatches == 0;
  return ok ? 0 : 1;
}
