#ifndef QUANT_CUDA_WAY_H_
#define QUANT_CUDA_WAY_H_

// Which kernels a call takes: by recipe, grid, element types, what is asked for
// and the alignment of its pointers.

#include <cstdint>
#include <string>

#include "quant/cuda/quantize_args.h"

namespace cnn_fp4::quant::cuda {

// The fastest way for a call.
Way ChooseWay(const QuantizeArgs& args);

// Whether two operands of one tensor, with blocks along memory and across it,
// are made from one read of it.
bool FitsBothWays(const QuantizeArgs& rows, const QuantizeArgs& columns);

// "rows", "columns", "tiles", "units".
std::string ToString(Way way);

// 1-D blocks.
bool IsOneDimensional(const Grid& grid);

bool IsAligned(const void* pointer, int64_t bytes);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_WAY_H_
