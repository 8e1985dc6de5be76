#include "viz/color_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_format.h"

namespace cnn_fp4::viz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// About as many ticks as a colour bar has room for.
constexpr int kTicks = 5;

// The step 1, 2 or 5 times a power of ten that gives about kTicks ticks.
double NiceStep(double extent) {
  const double raw = extent / kTicks;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1.0 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

std::string Label(double value) { return absl::StrFormat("%.4g", value); }

}  // namespace

ColorScale::ColorScale(const Heatmap& heatmap) {
  double low = kInfinity;
  double high = -kInfinity;
  double low_positive = kInfinity;
  for (const std::optional<double>& value : heatmap.values) {
    if (!value.has_value() || !std::isfinite(*value)) continue;
    low = std::min(low, *value);
    high = std::max(high, *value);
    if (*value > 0.0) low_positive = std::min(low_positive, *value);
  }
  if (low > high) return;
  has_range_ = true;
  switch (heatmap.scale) {
    case HeatmapScale::kLinear:
      break;
    case HeatmapScale::kLog:
      log_ = low_positive < kInfinity;
      if (log_) low = low_positive;
      break;
    case HeatmapScale::kPercent:
      low = std::min(0.0, low);
      break;
    case HeatmapScale::kSymmetric:
      high = std::max(std::abs(low), std::abs(high));
      low = -high;
      colormap_ = ColormapId::kVik;
      break;
  }
  if (low == high) {
    const double margin = low == 0.0 ? 1.0 : 0.1 * std::abs(low);
    // Percentages and logarithms keep their lower end.
    if (heatmap.scale != HeatmapScale::kPercent && !log_) low -= margin;
    high += margin;
  }
  low_ = low;
  high_ = high;
}

double ColorScale::Position(double value) const {
  if (!log_) return (value - low_) / (high_ - low_);
  if (value <= low_) return 0.0;
  return std::log(value / low_) / std::log(high_ / low_);
}

Rgb ColorScale::Color(const std::optional<double>& value) const {
  if (!value.has_value()) return kMissingColor;
  if (std::isnan(*value)) return kNanColor;
  if (std::isinf(*value)) {
    return *value > 0.0 ? kPositiveInfColor : kNegativeInfColor;
  }
  return ColorAt(Position(*value));
}

Rgb ColorScale::ColorAt(double position) const {
  return Colormap(colormap_, position);
}

std::vector<Tick> ColorScale::Ticks() const {
  std::vector<Tick> ticks;
  if (!has_range_) return ticks;
  if (log_) {
    const int first = static_cast<int>(std::floor(std::log10(low_)));
    const int last = static_cast<int>(std::floor(std::log10(high_) + 1e-9));
    const int stride = std::max(1, (last - first) / kTicks);
    for (int e = first; e <= last; e += stride) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        // Over many powers of ten only the powers themselves.
        if (factor > 1.0 && last - first > 2) break;
        const double value = factor * std::pow(10.0, e);
        if (value < low_ * (1 - 1e-9) || value > high_ * (1 + 1e-9)) continue;
        ticks.push_back({std::clamp(Position(value), 0.0, 1.0), Label(value)});
      }
    }
    if (ticks.size() >= 3) return ticks;
    // A range of less than ten times or so: as on a linear scale.
    ticks.clear();
  }
  const double step = NiceStep(high_ - low_);
  for (double k = std::ceil(low_ / step - 1e-9);
       k * step <= high_ + 1e-9 * step; ++k) {
    const double value = k == 0.0 ? 0.0 : k * step;
    ticks.push_back({std::clamp(Position(value), 0.0, 1.0), Label(value)});
  }
  return ticks;
}

}  // namespace cnn_fp4::viz
