#include "quant/random_hadamard.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quant/float_environment.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant {
namespace {

using Transform = void (*)(float*, uint16_t);

absl::Status ForEachGroup(absl::Span<const float> x, uint16_t signs,
                          absl::Span<float> y, Transform transform) {
  if (x.size() != y.size() || x.size() % kHadamardSize != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("Hadamard transform: ", x.size(), " inputs and ", y.size(),
                     " outputs; both must be the same multiple of 16"));
  }
  const FloatEnvironment environment;
  for (size_t i = 0; i < x.size(); i += kHadamardSize) {
    float group[kHadamardSize];
    std::copy_n(x.begin() + i, kHadamardSize, group);
    transform(group, signs);
    std::copy_n(group, kHadamardSize, y.begin() + i);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RotateGroups(absl::Span<const float> x, uint16_t signs,
                          absl::Span<float> y) {
  return ForEachGroup(x, signs, y, RandomHadamard16);
}

absl::Status UnrotateGroups(absl::Span<const float> x, uint16_t signs,
                            absl::Span<float> y) {
  return ForEachGroup(x, signs, y, InverseRandomHadamard16);
}

}  // namespace cnn_fp4::quant
