#include "tools/fp4/float_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "quant/quantizer.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;

constexpr uint32_t kExponentMask = 0x7F800000;

uint32_t Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float FromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// x.size() if there is none.
int64_t FirstNonFinite(absl::Span<const float> x) {
  const auto found = std::find_if_not(
      x.begin(), x.end(), [](float value) { return std::isfinite(value); });
  return found - x.begin();
}

std::string IndexText(int64_t flat, absl::Span<const int64_t> shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return absl::StrCat("[", absl::StrJoin(index, ", "), "]");
}

float Saturate(float x) {
  if (std::isnan(x)) return 0.0f;
  if (!std::isinf(x)) return x;
  return std::copysign(std::numeric_limits<float>::max(), x);
}

}  // namespace

void Float16ToFloat32(absl::Span<const uint8_t> half, absl::Span<float> out) {
  CHECK_EQ(half.size(), 2 * out.size());
  const uint8_t* from = half.data();
  float* to = out.data();
  // -O2 alone does not vectorise a loop of unknown length.
#pragma omp simd
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t h;
    std::memcpy(&h, from + 2 * i, sizeof(h));
    // The 5-bit exponent in the place of the 8-bit one is too small by
    // 127 - 15; the product is exact, and makes subnormals normal.
    const uint32_t magnitude = (h & 0x7FFFu) << 13;
    const uint32_t scaled = Bits(FromBits(magnitude) * 0x1p112f);
    const uint32_t nonfinite = magnitude | kExponentMask;
    const uint32_t sign = (h & 0x8000u) << 16;
    to[i] = FromBits((magnitude >= 0x0F800000u ? nonfinite : scaled) | sign);
  }
}

void Bfloat16ToFloat32(absl::Span<const uint8_t> half, absl::Span<float> out) {
  CHECK_EQ(half.size(), 2 * out.size());
  const uint8_t* from = half.data();
  float* to = out.data();
  // -O2 alone does not vectorise a loop of unknown length.
#pragma omp simd
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t h;
    std::memcpy(&h, from + 2 * i, sizeof(h));
    to[i] = FromBits(uint32_t{h} << 16);
  }
}

bool IsFloatSource(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBf16;
}

absl::Span<const float> FloatSource::Read(int64_t begin, int64_t size) {
  const int64_t width = safetensors::DTypeBits(info_->dtype) / 8;
  const absl::Span<const uint8_t> bytes =
      reader_->Data(*info_).subspan(begin * width, size * width);
  absl::Span<const float> values;
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  if (info_->dtype == DType::kF32 && address % alignof(float) == 0) {
    values = {reinterpret_cast<const float*>(bytes.data()),
              static_cast<size_t>(size)};
  } else {
    buffer_.resize(size);
    switch (info_->dtype) {
      case DType::kF32:
        if (size != 0) std::memcpy(buffer_.data(), bytes.data(), bytes.size());
        break;
      case DType::kF16:
        Float16ToFloat32(bytes, absl::MakeSpan(buffer_));
        break;
      case DType::kBf16:
        Bfloat16ToFloat32(bytes, absl::MakeSpan(buffer_));
        break;
      default:
        LOG(FATAL) << "not a float source: "
                   << safetensors::DTypeName(info_->dtype);
    }
    values = buffer_;
  }
  // Amax is the fast way to find out that there is nothing to replace.
  if (nonfinite_ == NonFinite::kKeep || quant::Amax(values).ok()) return values;
  if (values.data() != buffer_.data()) {
    buffer_.assign(values.begin(), values.end());
  }
  for (float& value : buffer_) value = Saturate(value);
  return buffer_;
}

quant::TensorView FloatSource::View(int64_t begin, int64_t size) {
  const bool half = info_->dtype == DType::kF16;
  const int64_t width = safetensors::DTypeBits(info_->dtype) / 8;
  const uint8_t* const bytes = reader_->Data(*info_).data() + begin * width;
  if (info_->dtype == DType::kF32 ||
      reinterpret_cast<uintptr_t>(bytes) % alignof(uint16_t) != 0) {
    return quant::TensorView::Float32(Read(begin, size));
  }
  return {half ? quant::DType::kFloat16 : quant::DType::kBfloat16, bytes, size};
}

absl::Status FloatSource::CheckFinite(int64_t begin, int64_t size) {
  const absl::Span<const float> values = Read(begin, size);
  const int64_t first = FirstNonFinite(values);
  if (first == size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      reader_->name(), ": tensor ", safetensors::QuoteName(info_->name), ": ",
      std::isnan(values[first]) ? "NaN" : "infinity", " at index ",
      IndexText(begin + first, info_->shape),
      " (--nonfinite=saturate replaces it, --exclude copies the tensor)"));
}

void FloatSource::Release(int64_t begin, int64_t size) const {
  const int64_t width = safetensors::DTypeBits(info_->dtype) / 8;
  reader_->Release(*info_, begin * width, size * width);
}

}  // namespace cnn_fp4::fp4
