#include "quant/cuda/device_memory.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "quant/formats/float16.h"
#include "quant/hadamard.h"
#include "quant/quantize_checks.h"

namespace cnn_fp4::quant::cuda {
namespace {

// x after policy and transform.
std::vector<float> Prepared(const Recipe& recipe, const BlockGrid& grid,
                            const QuantizeOptions& options,
                            std::vector<float> x) {
  const bool saturate = options.nonfinite == NonFinitePolicy::kSaturate;
  if (saturate) {
    for (float& v : x) v = Saturate(v);
  }
  if (!recipe.hadamard) return x;
  for (int64_t b = 0; b < grid.num_blocks(); ++b) {
    const BlockGrid::Block block = grid.block(b);
    for (int64_t c = 0; c < block.cols; c += kHadamardSize) {
      const int64_t at = block.offset + c * grid.col_stride();
      float group[kHadamardSize];
      for (int64_t i = 0; i < kHadamardSize; ++i) {
        group[i] = x[at + i * grid.col_stride()];
      }
      RandomHadamard16(group, options.hadamard_signs);
      for (int64_t i = 0; i < kHadamardSize; ++i) {
        x[at + i * grid.col_stride()] =
            saturate ? Saturate(group[i]) : group[i];
      }
    }
  }
  return x;
}

void ExpectSum(double expected, double actual, double magnitude,
               const char* what) {
  EXPECT_NEAR(
      expected, actual,
      kDeviceSumTolerance * std::numeric_limits<double>::epsilon() * magnitude)
      << what;
}

}  // namespace

std::vector<uint8_t> ToBytes(DType type, const std::vector<float>& x) {
  std::vector<uint8_t> bytes(x.size() * SizeOf(type));
  for (size_t i = 0; i < x.size(); ++i) {
    if (type == DType::kFloat32) {
      memcpy(&bytes[4 * i], &x[i], 4);
    } else {
      const uint16_t narrow =
          type == DType::kFloat16 ? EncodeHalf(x[i]) : EncodeBfloat16(x[i]);
      memcpy(&bytes[2 * i], &narrow, 2);
    }
  }
  return bytes;
}

std::vector<float> FromBytes(DType type, const std::vector<uint8_t>& bytes) {
  std::vector<float> x(bytes.size() / SizeOf(type));
  for (size_t i = 0; i < x.size(); ++i) {
    if (type == DType::kFloat32) {
      memcpy(&x[i], &bytes[4 * i], 4);
    } else {
      uint16_t narrow;
      memcpy(&narrow, &bytes[2 * i], 2);
      x[i] =
          type == DType::kFloat16 ? DecodeHalf(narrow) : DecodeBfloat16(narrow);
    }
  }
  return x;
}

std::vector<float> Fetch(DeviceMemory& memory, const void* from, DType type,
                         int64_t size) {
  std::vector<uint8_t> bytes(size * SizeOf(type));
  memory.ToHost(from, bytes.data(), bytes.size());
  return FromBytes(type, bytes);
}

std::vector<float> Rounded(DType type, bool limit, std::vector<float> values) {
  const float largest = type == DType::kFloat16    ? 65504.0f
                        : type == DType::kBfloat16 ? 0x1.FEp127f
                                                   : INFINITY;
  for (float& v : values) {
    if (limit) v = std::fmin(std::fmax(v, -largest), largest);
  }
  return FromBytes(type, ToBytes(type, values));
}

std::vector<float> Values(int64_t size, bool nonfinite) {
  std::mt19937 random(20261127);
  std::normal_distribution<float> normal;
  std::vector<float> x(size);
  float magnitude = 1.0f;
  for (int64_t i = 0; i < size; ++i) {
    if (i % 16 == 0) {
      magnitude = std::ldexp(1.0f, static_cast<int>(random() % 12) - 6);
      if (random() % 16 == 0) magnitude = 0.0f;
    }
    x[i] = magnitude * normal(random);
    if (random() % 8 == 0) {
      x[i] = magnitude * 0.25f * static_cast<float>(random() % 25) / 6.0f;
    }
    if (random() % 64 == 0) x[i] = -0.0f;
    if (nonfinite && random() % 97 == 0) {
      const float odd[] = {NAN, INFINITY, -INFINITY};
      x[i] = odd[random() % 3];
    }
  }
  return x;
}

void ExpectSame(const std::vector<float>& expected,
                const std::vector<float>& actual, const char* what) {
  ASSERT_EQ(expected.size(), actual.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) continue;
    ASSERT_EQ(BitCast<uint32_t>(expected[i]), BitCast<uint32_t>(actual[i]))
        << what << ", element " << i << ": expected " << expected[i] << ", got "
        << actual[i];
  }
}

DistortionSums ExpectedSums(const Recipe& recipe, const BlockGrid& grid,
                            const QuantizeOptions& options,
                            const std::vector<float>& x,
                            const reference::Result& quantized) {
  const std::vector<float> prepared = Prepared(recipe, grid, options, x);
  DistortionSums sums;
  // Wider, so that the order of the additions does not matter here.
  long double xx = 0, yy = 0, xy = 0, ee = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double a = prepared[i];
    const double b = quantized.values[i];
    const uint8_t code = CodeAt(quantized.packed, static_cast<int64_t>(i));
    if (!std::isfinite(a) || !std::isfinite(b)) {
      ++sums.nonfinite;
      continue;
    }
    ++sums.finite;
    xx += a * a;
    yy += b * b;
    xy += a * b;
    ee += (b - a) * (b - a);
    sums.max_abs_error = std::fmax(sums.max_abs_error, std::fabs(b - a));
    sums.exact += a == b;
    sums.nonzero += a != 0.0;
    sums.underflow += a != 0.0 && b == 0.0;
    sums.saturated += (code & 7) == 7 && std::fabs(a) > std::fabs(b);
    ++sums.codes.counts[code];
  }
  sums.xx = static_cast<double>(xx);
  sums.yy = static_cast<double>(yy);
  sums.xy = static_cast<double>(xy);
  sums.ee = static_cast<double>(ee);
  return sums;
}

void ExpectSums(const DistortionSums& expected, const DistortionSums& actual) {
  EXPECT_EQ(expected.finite, actual.finite);
  EXPECT_EQ(expected.nonfinite, actual.nonfinite);
  EXPECT_EQ(expected.exact, actual.exact);
  EXPECT_EQ(expected.nonzero, actual.nonzero);
  EXPECT_EQ(expected.underflow, actual.underflow);
  EXPECT_EQ(expected.saturated, actual.saturated);
  EXPECT_EQ(expected.codes.counts, actual.codes.counts);
  EXPECT_EQ(expected.max_abs_error, actual.max_abs_error);
  ExpectSum(expected.xx, actual.xx, expected.xx, "xx");
  ExpectSum(expected.yy, actual.yy, expected.yy, "yy");
  ExpectSum(expected.ee, actual.ee, expected.ee, "ee");
  ExpectSum(expected.xy, actual.xy, std::sqrt(expected.xx * expected.yy), "xy");
}

const char* NameOfType(DType type) {
  switch (type) {
    case DType::kFloat32:
      return "fp32";
    case DType::kFloat16:
      return "fp16";
    case DType::kBfloat16:
      return "bf16";
  }
  return "?";
}

}  // namespace cnn_fp4::quant::cuda
