#include "train/metric.h"

namespace cnn_fp4::train {

const Metric* Headline(const std::vector<Metric>& metrics) {
  for (const Metric& metric : metrics) {
    if (metric.headline) return &metric;
  }
  return nullptr;
}

bool IsBetter(const Metric& a, double b) {
  return a.higher_is_better ? a.value > b : a.value < b;
}

}  // namespace cnn_fp4::train
