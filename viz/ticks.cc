#include "viz/ticks.h"

#include <cmath>
#include <cstddef>

namespace cnn_fp4::viz {
namespace {

constexpr size_t kMinTicks = 4;

}  // namespace

std::vector<double> Ticks(double low, double high) {
  const double power = std::pow(10, std::ceil(std::log10(high - low)));
  for (const double scale : {1.0, 0.1, 0.01}) {
    for (const double factor : {1.0, 0.5, 0.25, 0.2}) {
      const double step = factor * scale * power;
      std::vector<double> ticks;
      for (double i = std::ceil(low / step); i * step <= high; ++i) {
        ticks.push_back(i * step);
      }
      if (ticks.size() >= kMinTicks) return ticks;
    }
  }
  return {low};
}

}  // namespace cnn_fp4::viz
