// Reads a dataset from end to end and says what is in it: the first thing to
// run on data of one's own.
//
//   bazel run //data:describe_dataset -- --dataset=folder --data_root=my_data
//
// Exit status 1 and one line when something is wrong with the data, 2 with the
// flags.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/flag_parser.h"
#include "base/user_path.h"
#include "data/dataset_registry.h"
#include "data/normalize.h"

namespace cnn_fp4::data {
namespace {

// Reads every sample; the share of pixels of each class, or the first error.
absl::Status Print(const Dataset& dataset) {
  std::printf("%s\n", dataset.Describe().c_str());
  std::vector<int64_t> pixels(kIgnore + 1);
  double values = 0, sum = 0, squares = 0;
  int64_t total = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    absl::StatusOr<Sample> sample = dataset.Get(i);
    if (!sample.ok()) return sample.status();
    for (const uint8_t value : sample->mask) ++pixels[value];
    total += static_cast<int64_t>(sample->mask.size());
    const PixelMoments moments = MomentsOf(sample->image);
    const auto n = static_cast<double>(sample->image.pixels.size());
    values += n;
    sum += n * moments.mean;
    squares +=
        n * (moments.stddev * moments.stddev + moments.mean * moments.mean);
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
  const double mean = sum / values;
  std::printf("  values of the images, 0 to 1: mean %.4f, stddev %.4f\n", mean,
              std::sqrt(std::max(squares / values - mean * mean, 0.0)));
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  DatasetSpec spec;
  ReadOptions options;
  base::FlagParser parser(
      "Reads a data set to its end and says what is in it.");
  parser.AddFields(base::Fields(spec), "The data set");
  parser.AddFields(base::Fields(options), "Where it is");
  const absl::StatusOr<base::ParsedFlags> parsed = parser.Parse(argc, argv);
  absl::Status status = parsed.status();
  if (status.ok() && parsed->help) {
    std::printf("%s", parser.Help().c_str());
    return 0;
  }
  if (!status.ok()) {
    std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  options.data_root = base::UserPath(options.data_root);
  const absl::StatusOr<DatasetPair> pair = OpenDataset(spec, options);
  status = pair.status();
  if (status.ok()) {
    for (const std::string& warning : pair->warnings) {
      std::printf("warning: %s\n", warning.c_str());
    }
    status = Print(*pair->train);
  }
  if (status.ok()) status = Print(*pair->val);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n",
               parser.WithFlag(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace cnn_fp4::data

int main(int argc, char** argv) { return cnn_fp4::data::Main(argc, argv); }
