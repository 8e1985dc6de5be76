#ifndef QUANT_NARROW_QUANTIZER_H_
#define QUANT_NARROW_QUANTIZER_H_

// What quant/quantizer.h does with FP16 and BF16 tensors on the CPU. Internal
// to it: arguments are checked there.

#include <optional>

#include "absl/status/status.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::quant {

// The amax of an FP16 or BF16 tensor, or nothing if an element is not finite.
std::optional<float> NarrowAmax(const TensorView& x);

// FakeQuantize where x, y or both are FP16 or BF16. In place or apart; in place
// x has y's type. InvalidArgument for an element that is not finite, where the
// options refuse it: in place, x is then as it was.
absl::Status FakeQuantizeNarrow(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, const MutableTensorView& y,
                                const QuantizeOptions& options);

// QuantizeInto of an FP16 or BF16 tensor.
absl::Status QuantizeNarrowInto(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, PackedTensor* out,
                                const QuantizeOptions& options);

}  // namespace cnn_fp4::quant

#endif  // QUANT_NARROW_QUANTIZER_H_
