#include "quant/random_hadamard.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quant/cpu/kernels.h"
#include "quant/float_environment.h"
#include "quant/hadamard.h"

namespace cnn_fp4::quant {
namespace {

absl::Status CheckSizes(absl::Span<const float> x, absl::Span<float> y) {
  if (x.size() == y.size() && x.size() % kHadamardSize == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("Hadamard transform: ", x.size(), " inputs and ", y.size(),
                   " outputs; both must be the same multiple of 16"));
}

}  // namespace

absl::Status RotateGroups(absl::Span<const float> x, uint16_t signs,
                          absl::Span<float> y) {
  if (absl::Status status = CheckSizes(x, y); !status.ok()) return status;
  const FloatEnvironment environment;
  cpu::HadamardGroups(x.data(), x.size() / kHadamardSize, signs, y.data());
  return absl::OkStatus();
}

absl::Status UnrotateGroups(absl::Span<const float> x, uint16_t signs,
                            absl::Span<float> y) {
  if (absl::Status status = CheckSizes(x, y); !status.ok()) return status;
  const FloatEnvironment environment;
  for (size_t i = 0; i < x.size(); i += kHadamardSize) {
    float group[kHadamardSize];
    std::copy_n(x.begin() + i, kHadamardSize, group);
    InverseRandomHadamard16(group, signs);
    std::copy_n(group, kHadamardSize, y.begin() + i);
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant
