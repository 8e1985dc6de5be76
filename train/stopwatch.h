#ifndef TRAIN_STOPWATCH_H_
#define TRAIN_STOPWATCH_H_

#include <chrono>

namespace cnn_fp4::train {

// Seconds since it was made, by a clock that is never set back.
class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_STOPWATCH_H_
