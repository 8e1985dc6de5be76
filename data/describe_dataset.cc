// Reads a dataset from end to end and says what is in it: the first thing to
// run on data of one's own.
//
//   bazel run //data:describe_dataset -- --dataset=folder --data_root=my_data
//
// Exit status 1 and one line when something is wrong with the data.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "data/dataset_registry.h"

ABSL_FLAG(std::string, dataset, "nuclei",
          "nuclei, folder, mvtec, coco or synthetic");
ABSL_FLAG(std::string, data_root, "", "directory of the dataset");
ABSL_FLAG(int, ignore_index, 255, "folder: mask value to disregard, or -1");
ABSL_FLAG(std::vector<std::string>, class_names, {},
          "folder: names by class; coco: categories to keep");
ABSL_FLAG(std::string, category, "", "mvtec: category folder");
ABSL_FLAG(std::string, mvtec_labels, "binary", "binary or per_defect");
ABSL_FLAG(std::string, mvtec_subset, "test", "train, test or all");

namespace cnn_fp4::data {
namespace {

// Reads every sample; the share of pixels of each class, or the first error.
absl::Status Print(const Dataset& dataset) {
  std::printf("%s\n", dataset.Describe().c_str());
  std::vector<int64_t> pixels(kIgnore + 1);
  int64_t total = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    absl::StatusOr<Sample> sample = dataset.Get(i);
    if (!sample.ok()) return sample.status();
    for (const uint8_t value : sample->mask) ++pixels[value];
    total += static_cast<int64_t>(sample->mask.size());
  }
  const auto print_share = [&](const std::string& name, int64_t count) {
    std::printf("  %6.2f %%  %s\n",
                100.0 * static_cast<double>(count) / static_cast<double>(total),
                name.c_str());
  };
  for (size_t i = 0; i < dataset.class_names().size(); ++i) {
    print_share(dataset.class_names()[i], pixels[i]);
  }
  if (pixels[kIgnore] > 0) print_share("(ignored)", pixels[kIgnore]);
  return absl::OkStatus();
}

absl::Status Run() {
  DatasetOptions options;
  options.dataset = absl::GetFlag(FLAGS_dataset);
  options.data_root = absl::GetFlag(FLAGS_data_root);
  // Under `bazel run` a relative path means the directory of the caller.
  const char* caller = std::getenv("BUILD_WORKING_DIRECTORY");
  if (caller != nullptr && !options.data_root.empty() &&
      options.data_root[0] != '/') {
    options.data_root = std::string(caller) + "/" + options.data_root;
  }
  options.ignore_index = absl::GetFlag(FLAGS_ignore_index);
  options.class_names = absl::GetFlag(FLAGS_class_names);
  options.category = absl::GetFlag(FLAGS_category);
  options.mvtec_labels = absl::GetFlag(FLAGS_mvtec_labels);
  options.mvtec_subset = absl::GetFlag(FLAGS_mvtec_subset);
  absl::StatusOr<DatasetPair> pair = OpenDataset(options);
  if (!pair.ok()) return pair.status();
  absl::Status status = Print(*pair->train);
  if (status.ok()) status = Print(*pair->val);
  return status;
}

}  // namespace
}  // namespace cnn_fp4::data

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Reads a dataset and says what is in it.");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = cnn_fp4::data::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
