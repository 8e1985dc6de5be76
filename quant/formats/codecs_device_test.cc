#include "quant/formats/codecs_device_test.h"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"

namespace cnn_fp4::quant {
namespace {

std::vector<uint32_t> SampleBits() {
  std::vector<uint32_t> bits;
  uint32_t b = 0;
  // The stride is prime to 2^32; NaN has no E2M1 code.
  while (bits.size() < 1 << 20) {
    if ((b & 0x7FFFFFFFu) <= 0x7F800000u) bits.push_back(b);
    b += 2654435769u;
  }
  return bits;
}

TEST(CodecsDevice, HostHalfEqualsPlainCompiler) {
  for (const uint32_t bits : SampleBits()) {
    const float x = BitCast<float>(bits);
    const uint32_t encoded = EncodeOnHost(bits);
    ASSERT_EQ(encoded & 15, EncodeE2m1(x));
    ASSERT_EQ(encoded >> 8 & 255, EncodeE4m3(x));
    ASSERT_EQ(encoded >> 16 & 255, EncodeE8m0RoundUp(x));
  }
}

TEST(CodecsDevice, DeviceEqualsHost) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    GTEST_SKIP() << "no GPU";
  }
  const std::vector<uint32_t> bits = SampleBits();
  std::vector<uint32_t> encoded(bits.size());
  const char* error = EncodeOnDevice(bits.data(), static_cast<int>(bits.size()),
                                     encoded.data());
  ASSERT_EQ(error, nullptr) << error;
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(encoded[i], EncodeOnHost(bits[i])) << std::hex << bits[i];
  }
}

}  // namespace
}  // namespace cnn_fp4::quant
