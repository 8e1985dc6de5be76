#ifndef TRAIN_OPERAND_NUMBERS_H_
#define TRAIN_OPERAND_NUMBERS_H_

// The numbers that the probe records of one tensor, measured by all threads of
// LibTorch: a tensor is cut into parts of a fixed size, each of which is
// measured by itself, so that no number depends on how many threads there are.
//
//   const ValueNumbers raw = MeasureValues(kind, Values(x));
//   std::vector<float> dequantized;
//   OperandNumbers numbers;
//   absl::Status status = MeasureOperand(kind, Values(x), quantized, x.size(0),
//                                        &dequantized, &numbers);

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nn/gemm/gemm_operand.h"
#include "quant/block_stats.h"
#include "quant/distortion.h"
#include "telemetry/histogram.h"
#include "telemetry/quantiles.h"
#include "telemetry/statistics.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::train {

// Moments, exponents and quantiles of values.
struct ValueNumbers {
  telemetry::TensorStats stats;
  telemetry::LayerHistogram exponents;
  // NaN for operands of wgrad, which have none.
  telemetry::Quantiles quantiles = {};
};

// `kind` decides which exponents the histogram has.
ValueNumbers MeasureValues(telemetry::TensorKind kind,
                           absl::Span<const float> values);

// Moments of the values that codes stand for, from how often each comes up.
telemetry::TensorStats StatsOfCodes(const std::array<int64_t, 16>& counts);

// A tensor, and what quantising made of it.
struct OperandNumbers {
  ValueNumbers raw;
  quant::DistortionStats distortion;
  // The lowest SQNR about the mean of a slice; NaN: there is none.
  double centered = 0;
  quant::BlockStats blocks;
  std::array<int64_t, 16> code_counts = {};
};

// `raw`: the tensor, which need not be the quantised operand's source, such as
// that of a scaled format. `slices`: equal parts of the source that have a mean
// of their own, such as the images of a batch; 0: none have. `dequantized`: is
// made to hold what the operand stands for; its memory is used again by the
// next call. Errors: the quantiser's.
absl::Status MeasureOperand(telemetry::TensorKind kind,
                            absl::Span<const float> raw,
                            const nn::QuantizedOperand& quantized,
                            int64_t slices, std::vector<float>* dequantized,
                            OperandNumbers* numbers);

// The distortion alone, with the same bits.
absl::Status MeasureDistortion(const nn::QuantizedOperand& quantized,
                               std::vector<float>* dequantized,
                               quant::DistortionStats* distortion);

}  // namespace cnn_fp4::train

#endif  // TRAIN_OPERAND_NUMBERS_H_
