// What a trained net says of images: class masks, and the images with them.

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/flag_parser.h"
#include "base/process_start.h"
#include "base/spec.h"
#include "base/user_path.h"
#include "data/file_io.h"
#include "data/image.h"
#include "data/image_io.h"
#include "experiments/machine_options.h"
#include "experiments/program.h"
#include "experiments/saved_arm.h"
#include "train/evaluate.h"
#include "train/task.h"

namespace cnn_fp4::experiments {
namespace {

constexpr char kDescription[] =
    "Predicts a class for each pixel of images, as the training's validation\n"
    "does, and writes for each image NAME\n\n"
    "  masks/NAME.png     grey, the value of a pixel is the index of its "
    "class\n"
    "  overlays/NAME.png  the image with the classes drawn over it\n\n"
    "  bazel run //experiments:predict -- --input=images "
    "--output_dir=predicted \\\n"
    "    --checkpoint=runs/train/latest/checkpoints/fp16/best.pt\n";

struct PredictOptions {
  std::string checkpoint;
  std::string policy;
  std::string input;
  std::string output_dir;
  int64_t max_pixels = data::kDefaultMaxPixels;
  MachineOptions machine;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("checkpoint", self.checkpoint,
          "The checkpoint, in the directory of the run that wrote it.");
    visit("policy", self.policy,
          "The policy to predict under; without it, the arm's own.");
    visit("input", self.input,
          "An image, PNG or JPEG, or a directory of images.");
    visit("output_dir", self.output_dir,
          "The directory to write to; it is made if it is missing, and files "
          "of the same names are replaced.");
    visit("max_pixels", self.max_pixels,
          "Images that declare more pixels are refused before any memory is "
          "taken for them.");
    MachineOptions::VisitFields(self.machine, visit);
  }
};

// The images by the names of what is written for them.
absl::StatusOr<std::map<std::string, std::string>> FindImages(
    const std::string& input) {
  std::map<std::string, std::string> images;
  if (!data::IsDirectory(input)) {
    images[data::Stem(input)] = input;
    return images;
  }
  const absl::StatusOr<data::ImageListing> listing =
      data::ListImageFiles(input);
  if (!listing.ok()) return listing.status();
  constexpr size_t kNamed = 5;
  const std::vector<std::string>& skipped = listing->skipped;
  for (size_t i = 0; i < std::min(skipped.size(), kNamed); ++i) {
    std::fprintf(stderr, "left out %s\n", skipped[i].c_str());
  }
  if (skipped.size() > kNamed) {
    std::fprintf(stderr, "left out %zu others\n", skipped.size() - kNamed);
  }
  for (const std::string& file : listing->files) {
    const auto [other, is_new] =
        images.emplace(data::Stem(file), data::JoinPath(input, file));
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("input: ", other->second, " and ", file,
                       " would be written under one name; rename one"));
    }
  }
  if (images.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "input: ", input, " has no file that ends in .png, .jpg or .jpeg"));
  }
  return images;
}

absl::Status Predict(const PredictOptions& options) {
  const absl::StatusOr<std::string> device = StartRuntime(options.machine);
  if (!device.ok()) return device.status();
  const auto images = FindImages(base::UserPath(options.input));
  if (!images.ok()) return images.status();
  const absl::StatusOr<SavedArm> saved =
      FindSavedArm(base::UserPath(options.checkpoint));
  if (!saved.ok()) return saved.status();
  const absl::StatusOr<LoadedArm> arm =
      LoadArm(*saved, options.policy, *device);
  if (!arm.ok()) return arm.status();
  const std::string directory = base::UserPath(options.output_dir);
  const auto task = train::CreateTask(saved->spec.task);
  for (const auto& [name, path] : *images) {
    const absl::StatusOr<data::Image> image =
        data::ReadImage(path, options.max_pixels);
    if (!image.ok()) return image.status();
    const absl::Status status =
        train::Predict(*task, *arm->net.net, *arm->net.context, name, *image,
                       saved->spec.batch, saved->class_names, directory);
    if (!status.ok()) return status;
  }
  std::printf("%s: predictions of %d images by %s at step %d under %s\n",
              directory.c_str(), static_cast<int>(images->size()),
              saved->arm.c_str(), static_cast<int>(arm->step),
              arm->policy.c_str());
  for (size_t i = 0; i < saved->class_names.size(); ++i) {
    std::printf("%d  %s\n", static_cast<int>(i), saved->class_names[i].c_str());
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  PredictOptions options;
  base::FlagParser parser(kDescription);
  parser.AddFields(base::Fields(options), "What is predicted");
  const auto refuse = [&](const absl::Status& status, int exit_status) {
    return RefuseCall(parser, status, exit_status);
  };
  const Call call = ParseCall(parser, argc, argv);
  if (call.exit_status.has_value()) return *call.exit_status;
  for (const base::SpecField& field : base::Fields(options)) {
    for (const char* needed : {"checkpoint", "input", "output_dir"}) {
      if (field.path == needed && base::ToText(field).empty()) {
        return refuse(
            absl::InvalidArgumentError(absl::StrCat(needed, " must be given")),
            kExitUsage);
      }
    }
  }
  const absl::Status status = Predict(options);
  return status.ok() ? 0 : refuse(status, kExitFailure);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
