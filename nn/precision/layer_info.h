#ifndef NN_PRECISION_LAYER_INFO_H_
#define NN_PRECISION_LAYER_INFO_H_

// What a policy needs to know of a net's convolutions and normalisations:
// names, roles, geometry.

#include <cstdint>
#include <string>

namespace cnn_fp4::nn {

enum class LayerRole {
  kOrdinary,
  kFirst,   // Reads the net's input: the pattern `first`.
  kLast,    // The last before the output layer: the pattern `last`.
  kOutput,  // The output layer, which has a rule of its own.
  kNorm,    // A normalisation, such as a GroupNorm: computed in FP32, its input
            // x in a format that a policy may give it. in_channels says its
            // channels; the geometry means nothing.
};

struct LayerInfo {
  std::string name;  // Path of the module in the net: "enc1.conv1".
  LayerRole role = LayerRole::kOrdinary;
  int64_t in_channels = 0;
  // 0 for the output layer of a net whose number of classes is not known yet.
  int64_t out_channels = 0;
  int64_t kernel = 1;  // Height and width.
  int64_t stride = 1;
  int64_t groups = 1;
  bool transposed = false;
};

}  // namespace cnn_fp4::nn

#endif  // NN_PRECISION_LAYER_INFO_H_
