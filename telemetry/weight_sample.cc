#include "telemetry/weight_sample.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"

namespace cnn_fp4::telemetry {
namespace {

// "every 3rd of 144 places"; "" for every one.
std::string Every(int64_t stride, int64_t of, const char* what) {
  if (stride == 1) return "";
  const int64_t last = stride % 10;
  const char* const ending = stride / 10 % 10 == 1 ? "th"
                             : last == 1           ? "st"
                             : last == 2           ? "nd"
                             : last == 3           ? "rd"
                                                   : "th";
  return absl::StrCat("every ", stride, ending, " of ", of, " ", what);
}

}  // namespace

std::string WeightSample::Thinning() const {
  std::vector<std::string> parts;
  for (std::string part : {Every(row_stride, rows, "filters"),
                           Every(column_stride, columns, "places")}) {
    if (!part.empty()) parts.push_back(std::move(part));
  }
  return absl::StrJoin(parts, ", ");
}

WeightSample SampleWeight(int64_t step, std::string layer, int64_t rows,
                          const WeightElements& weight) {
  const auto size = static_cast<int64_t>(weight.values.size());
  CHECK_EQ(weight.codes.size(), weight.values.size());
  CHECK_EQ(weight.scales.size(), weight.values.size());
  CHECK_GT(rows, 0);
  CHECK_EQ(size % rows, 0);
  WeightSample sample;
  sample.step = step;
  sample.layer = std::move(layer);
  sample.rows = rows;
  sample.columns = size / rows;
  sample.row_stride =
      std::max<int64_t>(1, (rows + kMaxSampleRows - 1) / kMaxSampleRows);
  sample.column_stride = std::max<int64_t>(
      1, (sample.columns + kMaxSampleColumns - 1) / kMaxSampleColumns);
  for (int64_t row = 0; row < rows; row += sample.row_stride) {
    for (int64_t column = 0; column < sample.columns;
         column += sample.column_stride) {
      const int64_t at = row * sample.columns + column;
      sample.values.push_back(weight.values[at]);
      sample.codes.push_back(weight.codes[at]);
      sample.scales.push_back(weight.scales[at]);
    }
  }
  return sample;
}

}  // namespace cnn_fp4::telemetry
