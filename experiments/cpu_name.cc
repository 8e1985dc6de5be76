#include "experiments/cpu_name.h"

#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::experiments {

std::string CpuName(std::istream& cpuinfo) {
  // "key<tabs>: value" until the empty line that ends a processor.
  std::map<std::string, std::string> fields;
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StripAsciiWhitespace(line).empty()) break;
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    fields.emplace(absl::StripAsciiWhitespace(field.first),
                   absl::StripAsciiWhitespace(field.second));
  }
  const std::string& name = fields["model name"];
  if (name.empty()) return "unknown";
  std::vector<std::string> parts;
  if (!fields["cpu family"].empty()) {
    parts.push_back(absl::StrCat("family ", fields["cpu family"]));
  }
  if (!fields["model"].empty()) {
    parts.push_back(absl::StrCat("model ", fields["model"]));
  }
  const absl::flat_hash_set<absl::string_view> flags =
      absl::StrSplit(fields["flags"], ' ');
  constexpr std::pair<absl::string_view, absl::string_view> kSets[] = {
      {"avx512f", "AVX-512"}, {"avx2", "AVX2"}, {"avx", "AVX"}};
  for (const auto& [flag, set] : kSets) {
    if (!flags.contains(flag)) continue;
    parts.emplace_back(set);
    break;
  }
  if (parts.empty()) return name;
  return absl::StrCat(name, " (", absl::StrJoin(parts, ", "), ")");
}

std::string CpuName() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  return CpuName(cpuinfo);
}

}  // namespace cnn_fp4::experiments
