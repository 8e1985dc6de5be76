#ifndef VIZ_TICKS_H_
#define VIZ_TICKS_H_

// Where the numbers of an axis stand.

#include <vector>

namespace cnn_fp4::viz {

// The multiples of a round number that lie from `low` to `high`: of the largest
// round number (1, 2, 2.5 or 5 times a power of ten) of which there are four,
// so that there are four to seven. {low} for an axis too short for numbers
// between its ends.
std::vector<double> Ticks(double low, double high);

}  // namespace cnn_fp4::viz

#endif  // VIZ_TICKS_H_
