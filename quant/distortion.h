#ifndef QUANT_DISTORTION_H_
#define QUANT_DISTORTION_H_

// What quantisation did to a tensor: statistics of the original x, the
// de-quantised y and the codes between them. Mergeable, so that parts of a
// tensor, steps or layers can be added up in any grouping.
//
//   DistortionStats stats;
//   absl::Status status = stats.Add(x, *Quantize(recipe, grid, x));
//   LOG(INFO) << stats.SqnrDb() << " dB, " << stats.UnderflowShare();
//
// Pairs in which x or y is NaN or infinite are counted as such and left out of
// everything else; shares are of the finite pairs. Sums are FP64, in an order
// that depends on the calls alone: the same calls give the same bits.

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "quant/code_counts.h"
#include "quant/distortion_sums.h"
#include "quant/packed_tensor.h"

namespace cnn_fp4::quant {

class DistortionStats {
 public:
  DistortionStats() = default;
  explicit DistortionStats(const DistortionSums& sums) : sums_(sums) {}

  // Pairs of the same index, and the E2M1 codes (0 .. 15, one a byte). The
  // three have the same length; InvalidArgument otherwise, and for a code
  // beyond 15.
  absl::Status Add(absl::Span<const float> x, absl::Span<const float> y,
                   absl::Span<const uint8_t> codes);

  // Pairs without codes: saturated() and what is said of codes leave them out.
  absl::Status Add(absl::Span<const float> x, absl::Span<const float> y);

  // x and what it was quantised to.
  absl::Status Add(absl::Span<const float> x, const PackedTensor& packed);

  // As if what was added to other had been added here.
  void Merge(const DistortionStats& other) { sums_.Merge(other.sums_); }

  int64_t count() const { return sums_.finite; }         // Finite pairs.
  int64_t nonfinite() const { return sums_.nonfinite; }  // The others.
  int64_t exact() const { return sums_.exact; }          // y == x.
  // x != 0 that became +-0.
  int64_t underflow() const { return sums_.underflow; }
  // Code +-6 and |x| > |y|: clipped, not rounded.
  int64_t saturated() const { return sums_.saturated; }

  double UnderflowShare() const;   // Of the non-zero x; 0 if there are none.
  double SaturationShare() const;  // Of all; 0 if there are none.
  double ExactShare() const;

  // Mean of (y - x)^2; 0 without pairs.
  double MeanSquaredError() const;
  double MaxAbsError() const { return sums_.max_abs_error; }
  // 10 log10(sum x^2 / sum (y - x)^2) in dB: +infinity without error, NaN if x
  // is all zeros and y is not or there are no pairs.
  double SqnrDb() const;
  // sum xy / sqrt(sum x^2 sum y^2); NaN if either is all zeros.
  double Cosine() const;

  // How often each code came up; 8 is -0.
  const std::array<int64_t, 16>& code_counts() const {
    return sums_.codes.counts;
  }
  const CodeCounts& codes() const { return sums_.codes; }
  // Distinct values in use, 0 .. 15: +0 and -0 are one value.
  int CodesUsed() const { return codes().CodesUsed(); }
  // Shannon entropy of those values in bits, 0 .. log2(15).
  double EntropyBits() const { return codes().EntropyBits(); }

 private:
  // `codes` is null, or as long as x and y.
  void AddPairs(absl::Span<const float> x, absl::Span<const float> y,
                const uint8_t* codes);

  DistortionSums sums_;
};

// The lowest SQNR about the mean, 10 log10(sum (x - mean x)^2 / sum (y - x)^2)
// in dB, of the `slices` equal parts of x and its de-quantised y: of the images
// of a batch, say. What tells values apart is their difference from the mean,
// which SQNR does not see: where all of a slice lie near one value far from
// zero it is high and this is low. A slice by itself, because the mean of a
// bright and a dark image is neither's. Pairs that are not finite and slices
// whose x are all equal are left out: NaN if no slice is left; +infinity if
// none has an error. CHECK-fails for lengths that differ or are no multiple of
// `slices`.
double LowestCenteredSqnrDb(absl::Span<const float> x,
                            absl::Span<const float> y, int64_t slices);

}  // namespace cnn_fp4::quant

#endif  // QUANT_DISTORTION_H_
