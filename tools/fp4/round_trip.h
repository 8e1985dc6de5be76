#ifndef TOOLS_FP4_ROUND_TRIP_H_
#define TOOLS_FP4_ROUND_TRIP_H_

// A fixture for tests that send a file through QuantizeFile and DequantizeFile.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "io/safetensors/reader.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {

// The data of an F32 tensor.
std::vector<float> Floats(const safetensors::Reader& reader,
                          const std::string& name);

// Bitwise, so that zeros keep their sign.
void ExpectSameBits(absl::Span<const float> a, absl::Span<const float> b);

class RoundTrip : public ::testing::Test {
 protected:
  // To quantized_.
  absl::Status Quantize(const std::string& input,
                        const QuantizeFileOptions& options);
  // From quantized_ to back_.
  void Dequantize();
  // The recipe, for every tensor.
  static QuantizeFileOptions Options(const std::string& recipe);

  TestDirectory directory_;
  const std::string quantized_ = directory_.Path("quantized");
  const std::string back_ = directory_.Path("back");
};

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_ROUND_TRIP_H_
