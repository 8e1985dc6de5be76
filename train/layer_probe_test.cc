#include "train/layer_probe.h"

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {}  // namespace
}  // namespace cnn_fp4::train
