#ifndef QUANT_QUANTIZE_OPTIONS_H_
#define QUANT_QUANTIZE_OPTIONS_H_

// What a call of the quantiser may set beside recipe and grid.

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "quant/distortion_sums.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant {

// What to do with a NaN or an infinity in the input.
enum class NonFinitePolicy {
  kRefuse,     // InvalidArgument that names the first index.
  kSaturate,   // NaN -> 0, +-Inf -> +-largest finite float, and every form of
               // the result is finite: E8M0 scales are at most 2^125, values
               // of a narrow type at most its largest.
  kPropagate,  // Every value of a block that holds one becomes NaN; the other
               // blocks, and the tensor's amax, are as if it were not there.
};

// A source that is read once for each column of a convolution's kernel, as the
// operand of wgrad that is unfolded needs it, without the copies being made.
// The source is [images, rows, width], the grid [images, kernel, rows,
// positions] with blocks along the last axis, and its element
//
//   (image, k, row, q) = x[image, row, q * stride + k * dilation - padding],
//
// 0 where that lies beside the row. All but `padding` are positive.
struct SourceWindow {
  int64_t width = 0;
  int64_t rows = 0;  // Of all channels of a group.
  int64_t kernel = 1;
  int64_t positions = 0;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t padding = 0;
};

// What only calls on a device's memory look at; every pointer is that device's.
struct DeviceOptions {
  // A cudaStream_t: what is asked for runs in its order, and no call waits for
  // it. Null: the legacy default stream.
  void* stream = nullptr;
  // QuantizeOptions::tensor_amax and row_amaxes, without a way to the host.
  const float* amax = nullptr;
  // QuantizeOptions::block_scales.
  const float* block_scales = nullptr;
  // Added to QuantizeOptions::step when the kernel runs, so that a captured
  // graph draws new bits at each replay.
  const uint64_t* step_counter = nullptr;
  // Set to 1 where the input holds a NaN or an infinity and is not saturated.
  // No call on a device can refuse a value without waiting for it:
  // NonFinitePolicy::kRefuse is kPropagate and this flag there.
  uint32_t* nonfinite = nullptr;
  // How x is read, where not as it lies. Only calls that quantise look at it;
  // InvalidArgument for a grid that is not the window's, and in place.
  std::optional<SourceWindow> window;
  // Added to in the pass that quantises: pairs of what is quantised, after the
  // policy and the transform, and of what its codes stand for, in FP32. Counts
  // are exact; sums are FP64's, in an order that depends on the tensor alone
  // (kDeviceSumTolerance). Only calls that quantise look at it.
  DistortionSums* statistics = nullptr;
};

// Sums of squares that a device added up differ from those of DistortionStats
// by so many epsilons of FP64 at most, those of xy relative to sqrt(xx * yy):
// neither side adds more than 2^12 numbers one after the other.
inline constexpr double kDeviceSumTolerance = 4096.0;

struct QuantizeOptions {
  NonFinitePolicy nonfinite = NonFinitePolicy::kRefuse;
  // The tensor's amax when the caller knows it (static calibration): saves a
  // pass over the data. Finite, not negative (-0 is 0). Recipes without a scale
  // of the whole tensor do not look at it.
  std::optional<float> tensor_amax;
  // The same for TensorScale::kPerRow: one for each of grid.num_rows() rows, or
  // empty; refused for other recipes.
  absl::Span<const float> row_amaxes;
  // Block scales as an input instead of from amax (calibrated, learnable): one
  // a block, finite and not negative, in units of the stored scale, i.e. before
  // multiplication by the tensor scale. They are rounded to the recipe's scale
  // format: E4M3 to nearest, E8M0 up, FP32 not at all. Empty: from amax.
  absl::Span<const float> block_scales;
  // Random bits of the stochastic roundings (quant/philox.h): seed and stream
  // are the key of Philox4x32-10, step the upper half of its counter. A
  // training sets the number of the step, so that each draws bits of its own.
  uint32_t seed = 0;
  uint32_t stream = 0;
  uint64_t step = 0;
  // Index of the first element in the counters of those roundings, not
  // negative: a tensor that is quantised piece by piece gets the random bits of
  // the whole.
  int64_t first_element = 0;
  // Signs of the Hadamard transform, for recipes that have one.
  uint16_t hadamard_signs = kDefaultHadamardSigns;
  DeviceOptions device;
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_QUANTIZE_OPTIONS_H_
