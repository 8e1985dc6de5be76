#ifndef TRAIN_METRIC_H_
#define TRAIN_METRIC_H_

// A number that says how good a net is: what tables, records, arm.json and the
// choice of the best checkpoint know of a task.

#include <string>
#include <vector>

namespace cnn_fp4::train {

struct Metric {
  // Stable, for programs: "mean_iou", "iou/nucleus". Records have it behind
  // "val/". Unique within a task.
  std::string key;
  std::string title;  // For people, as the head of a column: "mIoU".
  std::string unit;   // "%", "pixels"; empty for plain numbers and shares.
  double value = 0;   // NaN: there was nothing to score.
  bool higher_is_better = true;
  // The one metric that decides which checkpoint is the best.
  bool headline = false;
  // Whether tables on a terminal show it; files have all.
  bool in_table = true;
};

// The headline among `metrics`, or null.
const Metric* Headline(const std::vector<Metric>& metrics);

// Whether `a` is better than `b` by the metric's own direction; false if either
// is NaN.
bool IsBetter(const Metric& a, double b);

}  // namespace cnn_fp4::train

#endif  // TRAIN_METRIC_H_
