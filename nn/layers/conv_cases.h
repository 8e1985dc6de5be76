#ifndef NN_LAYERS_CONV_CASES_H_
#define NN_LAYERS_CONV_CASES_H_

// Small convolutions of every geometry, for tests.

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "nn/gemm/conv_geometry.h"

namespace cnn_fp4::nn {

struct ConvCase {
  std::string name;
  ConvGeometry geometry;
  std::vector<int64_t> x, w;
};

// Stride, padding, dilation, output padding, groups, transposed. Where there
// are more than 16 channels a group, the second block is short.
inline std::vector<ConvCase> ConvCases() {
  return {{"conv3x3", {{1, 1}, {1, 1}}, {2, 19, 3, 4}, {2, 19, 3, 3}},
          {"windows", {{1, 1}, {1, 1}}, {2, 3, 3, 32}, {2, 3, 3, 3}},
          {"conv1x1", {}, {2, 16, 4, 3}, {3, 16, 1, 1}},
          {"stride2", {{2, 2}, {1, 1}}, {2, 5, 5, 6}, {3, 5, 3, 3}},
          {"dilation2", {{1, 1}, {2, 2}, {2, 2}}, {1, 3, 5, 6}, {4, 3, 3, 3}},
          {"uneven", {{2, 1}, {0, 1}, {1, 2}}, {1, 18, 5, 6}, {3, 18, 2, 3}},
          {"groups2",
           {{1, 1}, {1, 1}, {1, 1}, {0, 0}, 2},
           {2, 36, 3, 2},
           {4, 18, 3, 3}},
          {"groups4",
           {{2, 2}, {1, 1}, {1, 1}, {0, 0}, 4},
           {2, 8, 4, 3},
           {12, 2, 3, 3}},
          {"transposed2x2",
           {{2, 2}, {0, 0}, {1, 1}, {0, 0}, 1, true},
           {1, 19, 2, 3},
           {19, 3, 2, 2}},
          {"output_padding",
           {{2, 2}, {1, 1}, {1, 1}, {1, 0}, 1, true},
           {2, 5, 2, 3},
           {5, 17, 3, 3}},
          {"transposed_groups2",
           {{2, 2}, {0, 0}, {1, 1}, {0, 0}, 2, true},
           {1, 36, 2, 2},
           {36, 2, 2, 2}}};
}

inline int64_t OutChannels(const ConvCase& c) {
  return c.geometry.transposed ? c.w[1] * c.geometry.groups : c.w[0];
}

inline at::Tensor TorchConvolution(const ConvCase& c, const at::Tensor& x,
                                   const at::Tensor& w,
                                   const std::optional<at::Tensor>& b) {
  const ConvGeometry& g = c.geometry;
  return at::convolution(x, w, b, g.stride, g.padding, g.dilation, g.transposed,
                         g.output_padding, g.groups);
}

}  // namespace cnn_fp4::nn

#endif  // NN_LAYERS_CONV_CASES_H_
