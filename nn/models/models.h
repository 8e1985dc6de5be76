#ifndef NN_MODELS_MODELS_H_
#define NN_MODELS_MODELS_H_

// Makes a net from its spec: the registry of all architectures.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "nn/models/net_spec.h"

namespace cnn_fp4::nn {

class Net;

// A net on the CPU, in FP32 (nn/layers/quantize.h puts it under a policy), with
// weights drawn from `seed`: the same for every policy. It takes images of
// three channels. InvalidArgument naming the field for a spec that makes no
// net, and for less than one class.
absl::StatusOr<std::shared_ptr<Net>> CreateNet(const NetSpec& spec,
                                               int64_t num_classes,
                                               uint64_t seed);

}  // namespace cnn_fp4::nn

#endif  // NN_MODELS_MODELS_H_
