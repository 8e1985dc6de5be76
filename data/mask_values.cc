#include "data/mask_values.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "data/data_digest.h"
#include "data/image.h"
#include "glog/logging.h"

namespace cnn_fp4::data {

MaskValues CountValues(const std::string& path, const LabelMap& labels) {
  std::vector<int64_t> counts(std::numeric_limits<uint16_t>::max() + 1);
  for (const uint16_t value : labels.values) ++counts[value];
  MaskValues mask;
  mask.path = path;
  DataDigest digest;
  digest.AddNumber(labels.width);
  for (const uint16_t value : labels.values) digest.AddNumber(value);
  mask.digest = digest.value();
  for (size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] > 0) {
      mask.counts.emplace_back(static_cast<uint16_t>(value), counts[value]);
    }
  }
  return mask;
}

void ClassCounts::Add(const MaskValues& mask, const MaskRule& rule) {
  bool counts = false;
  for (const auto& [value, count] : mask.counts) {
    const int cls = rule.ClassOf(value);
    if (cls == kIgnore) {
      ignored += count;
      continue;
    }
    CHECK_LT(static_cast<size_t>(cls), pixels.size());
    pixels[cls] += count;
    counts = true;
  }
  ++images;
  if (mask.image_is_turned) ++images_turned;
  if (mask.is_turned) ++masks_turned;
  if (mask.is_doubtful) doubtful.push_back(mask.path);
  if (counts) return;
  if (++images_ignored == 1) first_ignored = mask.path;
}

}  // namespace cnn_fp4::data
