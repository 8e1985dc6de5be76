#include "telemetry/statistics.h"

#include <cstddef>

#include "glog/logging.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr TensorKindInfo kTensorKinds[] = {
    {TensorKind::kWeightsPrequantize, "weights/prequantize", "weights",
     "weights, before quantisation"},
    {TensorKind::kWeightsQuantized, "weights/quantized", "weights",
     "weights, FP4 codes"},
    {TensorKind::kWeightsDequantized, "weights/dequantized", "weights",
     "weights, de-quantised"},
    {TensorKind::kActivations, "activations", "activations",
     "activations (inputs of the convolutions)"},
    {TensorKind::kGradients, "gradients", "gradients", "weight gradients"},
    {TensorKind::kOutputGradients, "output_gradients", "output_gradients",
     "output gradients (dy of dgrad, times the loss scale)"},
    {TensorKind::kWgradActivations, "wgrad/activations", "activations",
     "activations as wgrad has them (its blocks, rotated)"},
    {TensorKind::kWgradOutputGradients, "wgrad/output_gradients",
     "output_gradients",
     "output gradients as wgrad has them (its blocks, rotated)"},
};

constexpr StatInfo kStatistics[] = {
    {StatId::kMean, "mean", "Mean", "", "Mean of the values.",
     StatScale::kSymmetric},
    {StatId::kStd, "std", "Standard deviation", "",
     "Population standard deviation.", StatScale::kLog},
    {StatId::kKurtosis, "kurtosis", "Kurtosis", "",
     "Fourth standardised moment: 3 for a normal distribution, more with "
     "heavier tails. Outliers cost a block-scaled format resolution.",
     StatScale::kLog},
    {StatId::kAmax, "amax", "Largest magnitude", "", "max |x|.",
     StatScale::kLog},
    {StatId::kNorm, "norm", "Euclidean norm", "",
     "Square root of the sum of x^2.", StatScale::kLog},
    {StatId::kP01, "p01", "1st percentile", "",
     "1 % of the values lie below it, in a sample of 16384.",
     StatScale::kSymmetric},
    {StatId::kP25, "p25", "25th percentile", "",
     "A quarter of the values lie below it, in a sample of 16384.",
     StatScale::kSymmetric},
    {StatId::kP50, "p50", "Median", "",
     "Half of the values lie below it, in a sample of 16384.",
     StatScale::kSymmetric},
    {StatId::kP75, "p75", "75th percentile", "",
     "A quarter of the values lie above it, in a sample of 16384.",
     StatScale::kSymmetric},
    {StatId::kP99, "p99", "99th percentile", "",
     "1 % of the values lie above it, in a sample of 16384.",
     StatScale::kSymmetric},
    {StatId::kSqnrDb, "sqnr_db", "SQNR", "dB",
     "Signal to quantisation noise: 10 log10 of sum x^2 over sum (x - Q(x))^2."
     " Higher is better; 6 dB are one bit.",
     StatScale::kLinear},
    {StatId::kSqnrCenteredDb, "sqnr_centered_db", "Lowest SQNR about the mean",
     "dB",
     "Variance to quantisation noise, 10 log10 of sum (x - mean x)^2 over sum "
     "(x - Q(x))^2, of the image of the batch, or the filter of a weight, that "
     "has the least. What tells values apart is their difference from the "
     "mean; where all lie near one value far from zero, as the pixels of a "
     "dark image do, SQNR is high and this is low.",
     StatScale::kLinear},
    {StatId::kUnderflowPct, "underflow_pct", "Underflow", "%",
     "Share of the non-zero values that became zero.", StatScale::kPercent},
    {StatId::kSaturationPct, "saturation_pct", "Saturation", "%",
     "Share of the values beyond the largest that their block can hold.",
     StatScale::kPercent},
    {StatId::kCodesUsed, "codes_used", "FP4 values used", "values",
     "Of the 15 values of E2M1, how many occur; +0 and -0 are one.",
     StatScale::kLinear},
    {StatId::kEntropyBits, "entropy_bits", "Entropy of the FP4 values", "bits",
     "Shannon entropy of the values' frequencies: 3.9 bits if all 15 occur "
     "equally often.",
     StatScale::kLinear},
    {StatId::kScaleMean, "scale_mean", "Mean of the block scales", "",
     "A scale, times that of the tensor, is what an FP4 value of 1 stands for.",
     StatScale::kLog},
    {StatId::kScaleStd, "scale_std", "Deviation of the block scales", "",
     "Population standard deviation of the scales. Near zero beside their "
     "mean, "
     "one scale for the whole tensor would do as well.",
     StatScale::kLog},
    {StatId::kScaleMin, "scale_min", "Smallest block scale", "",
     "The smallest scale of a block, times that of the tensor.",
     StatScale::kLog},
    {StatId::kScaleMax, "scale_max", "Largest block scale", "",
     "The largest scale of a block, times that of the tensor.",
     StatScale::kLog},
    {StatId::kBlockRangeBits, "block_range_bits", "Dynamic range of the blocks",
     "bits",
     "Mean over the blocks of log2 of the largest over the smallest magnitude "
     "that is not zero. E2M1 spans 3.6 bits; what a block has beyond becomes "
     "zero.",
     StatScale::kLinear},
    {StatId::kCodesFlippedPct, "codes_flipped_pct", "FP4 values that changed",
     "%",
     "Share of the weights that have another FP4 value than at the record "
     "before. Many late in a training are weights that oscillate between two "
     "values. Missing at the first record of a process.",
     StatScale::kPercent},
    {StatId::kUpdateRatio, "update_ratio", "Update over weight", "",
     "Euclidean norm of what the optimiser added in this step over that of the "
     "weight before. Missing where the step was skipped.",
     StatScale::kLog},
    {StatId::kNonfinite, "nonfinite", "NaN and Inf", "values",
     "How many values are not finite.", StatScale::kLinear},
    {StatId::kLearnedScale, "learned_scale", "Learnt scale", "",
     "Of weights, the mean over the filters of the scale that is trained with "
     "them (LSQ); of activations, the value at which they are clipped (PACT).",
     StatScale::kLog},
};

// Info() takes the line at the value of the enum.
constexpr bool InOrderOfTheEnums() {
  size_t i = 0;
  for (const TensorKindInfo& info : kTensorKinds) {
    if (static_cast<size_t>(info.kind) != i++) return false;
  }
  i = 0;
  for (const StatInfo& info : kStatistics) {
    if (static_cast<size_t>(info.id) != i++) return false;
  }
  return true;
}
static_assert(InOrderOfTheEnums(), "a line of a table is misplaced");

}  // namespace

absl::Span<const TensorKindInfo> TensorKinds() { return kTensorKinds; }

absl::Span<const StatInfo> Statistics() { return kStatistics; }

const TensorKindInfo& Info(TensorKind kind) {
  const auto index = static_cast<size_t>(kind);
  CHECK_LT(index, TensorKinds().size());
  return kTensorKinds[index];
}

const StatInfo& Info(StatId id) {
  const auto index = static_cast<size_t>(id);
  CHECK_LT(index, Statistics().size());
  return kStatistics[index];
}

std::optional<TensorKind> FindTensorKind(absl::string_view directory) {
  for (const TensorKindInfo& info : kTensorKinds) {
    if (info.directory == directory) return info.kind;
  }
  return std::nullopt;
}

std::optional<StatId> FindStatistic(absl::string_view key) {
  for (const StatInfo& info : kStatistics) {
    if (info.key == key) return info.id;
  }
  return std::nullopt;
}

}  // namespace cnn_fp4::telemetry
