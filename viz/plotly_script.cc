#include "viz/plotly_script.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "plotly_location.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;

constexpr char kScript[] = "plotly.min.js";
constexpr char kLicence[] = "LICENSE.txt";

absl::Status CopyOnce(const fs::path& from, const fs::path& to) {
  std::error_code error;
  // Named by its version, so what is there is the same.
  if (fs::exists(to, error)) return absl::OkStatus();
  std::ifstream in(from, std::ios::binary);
  if (!in) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", from.string()));
  }
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  return base::WriteFileAtomically(to.string(), bytes);
}

}  // namespace

bool HasPlotly() {
  std::error_code error;
  return kPlotlyDirectory[0] != '\0' &&
         fs::exists(fs::path(kPlotlyDirectory) / kScript, error);
}

absl::StatusOr<std::string> PlacePlotly(const std::string& page_directory,
                                        const std::string& root) {
  if (!HasPlotly()) {
    return absl::NotFoundError(
        "no plotly.js: ./bazelw installs it, or PLOTLY=<directory> names it");
  }
  const std::string stem = absl::StrCat("plotly-", kPlotlyVersion);
  const std::pair<const char*, std::string> files[] = {
      {kLicence, stem + ".LICENSE.txt"}, {kScript, stem + ".min.js"}};
  for (const auto& [name, to] : files) {
    absl::Status status =
        CopyOnce(fs::path(kPlotlyDirectory) / name, fs::path(root) / to);
    if (!status.ok()) return status;
  }
  std::error_code error;
  const fs::path way =
      fs::relative(fs::path(root) / (stem + ".min.js"), page_directory, error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("from ", page_directory, " to ", root));
  }
  return way.generic_string();
}

}  // namespace cnn_fp4::viz
