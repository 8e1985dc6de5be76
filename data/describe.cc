#include "data/describe.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {
namespace {

constexpr size_t kNamesShown = 10;

}  // namespace

void SizeRange::Add(ImageSize size) {
  if (empty_) min_ = max_ = size;
  empty_ = false;
  min_.width = std::min(min_.width, size.width);
  min_.height = std::min(min_.height, size.height);
  max_.width = std::max(max_.width, size.width);
  max_.height = std::max(max_.height, size.height);
}

std::string SizeRange::ToString() const {
  const std::string low = absl::StrCat(min_.width, "x", min_.height);
  const std::string high = absl::StrCat(max_.width, "x", max_.height);
  return low == high ? low : absl::StrCat(low, " to ", high);
}

std::string DescribeDataset(absl::string_view title, int64_t count,
                            const SizeRange& sizes,
                            const std::vector<std::string>& classes) {
  const size_t shown = std::min(classes.size(), kNamesShown);
  return absl::StrCat(
      title, ": ", count, count == 1 ? " image, " : " images, ",
      sizes.ToString(), ", ", classes.size(), " classes (",
      absl::StrJoin(classes.begin(), classes.begin() + shown, ", "),
      shown < classes.size() ? ", ...)" : ")");
}

std::string Share(int64_t part, int64_t whole) {
  const double percent =
      100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return part > 0 && percent < 0.005 ? "< 0.01 %"
                                     : absl::StrFormat("%.2f %%", percent);
}

std::vector<std::string> WithShares(const std::vector<std::string>& class_names,
                                    const ClassCounts& counts) {
  const int64_t total = std::max<int64_t>(
      1,
      std::accumulate(counts.pixels.begin(), counts.pixels.end(), int64_t{0}));
  std::vector<std::string> classes;
  for (size_t i = 0; i < class_names.size(); ++i) {
    classes.push_back(
        absl::StrCat(class_names[i], " ", Share(counts.pixels[i], total)));
  }
  return classes;
}

}  // namespace cnn_fp4::data
