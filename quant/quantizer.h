#ifndef QUANT_QUANTIZER_H_
#define QUANT_QUANTIZER_H_

// Block-scaled FP4 quantisation of dense row-major FP32 tensors. These are the
// functions that everything else calls; they take the fast CPU path
// (quant/cpu), which equals quant/reference bit for bit.
//
//   const auto recipe = FindRecipe("nvfp4");
//   const auto grid = BlockGrid::Along({n, c, h, w}, /*axis=*/1, *recipe);
//   std::vector<float> y(x.size());
//   absl::Status status = FakeQuantize(*recipe, *grid, x, absl::MakeSpan(y));
//
// All of them: the same bits in every floating-point environment of the caller,
// which they leave as it is, on any number of threads (after fork, one). An
// output is the input itself or shares no memory with it; InvalidArgument
// otherwise. After an error an output is undefined, in place the input with it:
// what refuses a value in the middle has written what lies before it.
// ResourceExhausted where memory runs out.
//
// Values of finite inputs may be infinite where a rule rounds the scale of a
// block up, as mxfp4 does from 1.5 * 2^127 on; NonFinitePolicy::kSaturate keeps
// every result finite.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::quant {

// max |x|; 0 for an empty tensor. InvalidArgument naming the first NaN or Inf.
absl::StatusOr<float> Amax(absl::Span<const float> x);

// The amax that a recipe's tensor scale is made from: that of x, or of its
// Hadamard transform. For QuantizeOptions::tensor_amax: the largest one of
// several pieces is that of the whole. InvalidArgument for recipes without a
// scale of the whole tensor, and as FakeQuantize.
absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                absl::Span<const float> x,
                                const QuantizeOptions& options = {});

// y = de-quantised(quantised(x)). x and y have grid.size() elements and may be
// the same memory. InvalidArgument for a size that is not the grid's, and for
// non-finite input under kRefuse.
absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, absl::Span<float> y,
                          const QuantizeOptions& options = {});

// The operand of an exactly emulated block-scaled GEMM: y = q * s8, which has
// at most 6 significant bits and so is exact in FP16, BF16 and FP32. Returns
// the tensor scale s2: the de-quantised tensor is y * s2. For recipes without a
// tensor scale y is the de-quantised tensor and the result is 1.
// InvalidArgument for TensorScale::kPerRow.
absl::StatusOr<float> QuantizeOperand(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      absl::Span<float> y,
                                      const QuantizeOptions& options = {});

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      absl::Span<const float> x,
                                      const QuantizeOptions& options = {});

// The same into *out, whose memory is used again: quantising tensors of one
// shape over and over touches no fresh pages. *out is undefined after an error.
absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          absl::Span<const float> x, PackedTensor* out,
                          const QuantizeOptions& options = {});

// The same values, bit for bit, as FakeQuantize of the source.
// InvalidArgument for a packed tensor whose parts do not fit together.
absl::Status Dequantize(const PackedTensor& packed, absl::Span<float> y);

// The operand of QuantizeOperand of the same source, bit for bit, from what it
// was quantised to: y = q * s8, and the tensor scale as the result. So one
// quantisation gives the codes that an observer counts and the values that were
// multiplied:
//
//   const auto packed = Quantize(recipe, grid, x);
//   const auto s2 = OperandValues(*packed, absl::MakeSpan(y));
//
// InvalidArgument for TensorScale::kPerRow, for a packed tensor whose parts do
// not fit together, and for y of another size.
absl::StatusOr<float> OperandValues(const PackedTensor& packed,
                                    absl::Span<float> y);

// The functions above for FP32, FP16 and BF16 tensors. The arithmetic is
// FP32's: narrow inputs are widened exactly, and values are rounded to the
// output's type at the end, to nearest even. y may be x only with the same
// type. On the CPU FP16 and BF16 take FP32 copies of a whole tensor, but for
// codes of blocks along memory.
absl::StatusOr<float> Amax(const TensorView& x);
absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x,
                                const QuantizeOptions& options = {});
absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      const TensorView& x,
                                      const QuantizeOptions& options = {});
absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          const TensorView& x, PackedTensor* out,
                          const QuantizeOptions& options = {});
absl::Status Dequantize(const PackedTensor& packed, const MutableTensorView& y);

// The same where the tensors lie: on the CPU, or on the device that all the
// views of a call name, with the same bits. On a device nothing is copied to
// the host and nothing waits (DeviceOptions). Unimplemented, naming the device,
// where no implementation for it is linked; InvalidArgument for views of
// several devices and for host amaxes of rows or scales of blocks on a device.
absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          const TensorView& x, const MutableTensorView& y,
                          const QuantizeOptions& options = {});
// The tensor scale goes to *tensor_scale, in the memory of the same device.
// FP32 on the CPU.
absl::Status QuantizeOperand(const Recipe& recipe, const BlockGrid& grid,
                             const TensorView& x, const MutableTensorView& y,
                             float* tensor_scale,
                             const QuantizeOptions& options = {});

}  // namespace cnn_fp4::quant

#endif  // QUANT_QUANTIZER_H_
