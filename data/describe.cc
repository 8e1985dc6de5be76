#include "data/describe.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
                            const std::vector<std::string>& class_names) {
  const size_t shown = std::min(class_names.size(), kNamesShown);
  return absl::StrCat(
      title, ": ", count, count == 1 ? " image, " : " images, ",
      sizes.ToString(), ", ", class_names.size(), " classes (",
      absl::StrJoin(class_names.begin(), class_names.begin() + shown, ", "),
      shown < class_names.size() ? ", ...)" : ")");
}

}  // namespace cnn_fp4::data
