#include "experiments/jackknife.h"

#include <cmath>

namespace cnn_fp4::experiments {

std::optional<Interval> JackknifeInterval(double score,
                                          absl::Span<const double> without) {
  const SampleSummary sample = SummarizeSample(without);
  if (!sample.standard_deviation.has_value()) return std::nullopt;
  const auto n = static_cast<double>(sample.n);
  // The sum of squares is the deviation's square times n - 1.
  const double standard_error =
      *sample.standard_deviation * (n - 1) / std::sqrt(n);
  const double reach =
      StudentQuantile(0.5 + kConfidence / 2, sample.n - 1) * standard_error;
  return Interval{score - reach, score + reach};
}

}  // namespace cnn_fp4::experiments
