#ifndef EXPERIMENTS_JACKKNIFE_H_
#define EXPERIMENTS_JACKKNIFE_H_

// How much a score over a data set depends on which images are in it: the
// jackknife (Tukey 1958; Efron and Stein 1981, "The jackknife estimate of
// variance"). The score is computed once more without each image, and
//
//   standard error = sqrt((n - 1) / n * sum of (score_i - mean of score_i)^2)
//
// It serves scores that are no means over images, such as a mean IoU, and their
// differences. The interval around the score of all images is that of Student's
// distribution with n - 1 degrees of freedom.
//
// Limit: it says how far another sample of images would move the score of these
// weights, not what another training would give.

#include <optional>

#include "absl/types/span.h"
#include "experiments/study_statistics.h"

namespace cnn_fp4::experiments {

// `score` is that of all images, `without` those with one image left out each.
// nullopt for fewer than two images.
std::optional<Interval> JackknifeInterval(double score,
                                          absl::Span<const double> without);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_JACKKNIFE_H_
