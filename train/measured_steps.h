#ifndef TRAIN_MEASURED_STEPS_H_
#define TRAIN_MEASURED_STEPS_H_

// At which steps of an arm its layers are measured. It follows from the step
// alone, so that a resumed arm measures the same ones.

#include <algorithm>
#include <cstdint>

namespace cnn_fp4::train {

struct MeasuredSteps {
  // Steps between two; 0: the first and the last only.
  int64_t every = 0;
  int64_t total = 0;  // Of the arm, at least 1.

  // Steps are counted from 1: the first, every one that `every` divides, and
  // the last.
  bool Measured(int64_t step) const {
    return step == 1 || step == total || (every > 0 && step % every == 0);
  }

  // Of these, at which weights are recorded element by element, too: the first,
  // and those that begin another quarter of the arm, the last among them.
  bool SamplesWeights(int64_t step) const {
    if (!Measured(step)) return false;
    if (step == 1) return true;
    // The measured step before this one.
    const int64_t before =
        std::max<int64_t>(1, every > 0 ? (step - 1) / every * every : 0);
    return Quarter(step) > Quarter(before);
  }

 private:
  int64_t Quarter(int64_t step) const { return 4 * step / total; }
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_MEASURED_STEPS_H_
