#include "data/nuclei_dataset.h"

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/file_io.h"
#include "data/folder_dataset.h"
#include "tools/cpp/runfiles/runfiles.h"

namespace cnn_fp4::data {
namespace {

using bazel::tools::cpp::runfiles::Runfiles;

// A file, since a manifest of runfiles lists no directories.
constexpr char kAnchor[] = "cnn_fp4_emulation/data/nuclei/README.md";

}  // namespace

absl::StatusOr<std::string> NucleiDirectory() {
  // Not argv[0]: that may be relative to a directory since left, or reach the
  // binary through a link that has no runfiles beside it.
  std::error_code error;
  const std::string binary =
      std::filesystem::read_symlink("/proc/self/exe", error).string();
  std::string message = error.message();
  std::unique_ptr<Runfiles> runfiles(Runfiles::Create(binary, &message));
  if (runfiles != nullptr) {
    const std::string anchor = runfiles->Rlocation(kAnchor);
    if (IsFile(anchor)) {
      return std::filesystem::path(anchor).parent_path().string();
    }
    message = absl::StrCat("no file ", anchor);
  }
  return absl::NotFoundError(absl::StrCat(
      binary, ": the embedded nuclei images are not in its .runfiles (",
      message,
      "); start it with bazel run, or from bazel-bin after a build, or use "
      "--dataset=folder --data_root=<checkout>/data/nuclei"));
}

absl::StatusOr<DatasetPair> OpenNuclei(const ReadOptions& options) {
  absl::StatusOr<std::string> root = NucleiDirectory();
  if (!root.ok()) return root.status();
  DatasetSpec spec;
  spec.class_names = {"background", "nucleus"};
  ReadOptions embedded = options;
  embedded.data_root = *std::move(root);
  return OpenFolder(spec, embedded, "nuclei");
}

}  // namespace cnn_fp4::data
