#ifndef NN_GEMM_CONV_GEOMETRY_H_
#define NN_GEMM_CONV_GEOMETRY_H_

// The geometry of a 2-D convolution, plain or transposed, as torch::nn::Conv2d
// and ConvTranspose2d define it.
//
//   x  [N, Cin, H, W]    y, dy  [N, Cout, P, Q]
//   w  [Cout, Cin / groups, kh, kw], transposed [Cin, Cout / groups, kh, kw]

#include <array>
#include <cstdint>

namespace cnn_fp4::nn {

struct ConvGeometry {
  using Pair = std::array<int64_t, 2>;  // Height, width.

  Pair stride = {1, 1};
  Pair padding = {0, 0};
  Pair dilation = {1, 1};
  Pair output_padding = {0, 0};  // Of a transposed convolution.
  int64_t groups = 1;
  bool transposed = false;
};

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_CONV_GEOMETRY_H_
