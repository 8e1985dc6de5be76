#include "tools/fp4/round_trip.h"

#include <cstring>
#include <optional>

#include "quant/recipe.h"
#include "tools/fp4/dequantize.h"

namespace cnn_fp4::fp4 {

std::vector<float> Floats(const safetensors::Reader& reader,
                          const std::string& name) {
  const auto* info = reader.Find(name);
  EXPECT_NE(info, nullptr) << name;
  const auto bytes = reader.Data(*info);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Bitwise, so that zeros keep their sign.
void ExpectSameBits(absl::Span<const float> a, absl::Span<const float> b) {
  ASSERT_EQ(a.size(), b.size());
  int shown = 0;
  for (size_t i = 0; i < a.size() && shown < 3; ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) == 0) continue;
    ++shown;
    ADD_FAILURE() << "element " << i << ": " << a[i] << " and " << b[i];
  }
}

absl::Status RoundTrip::Quantize(const std::string& input,
                                 const QuantizeFileOptions& options) {
  return QuantizeFile(input, quantized_, options, {}).status();
}

void RoundTrip::Dequantize() {
  const auto status = DequantizeFile(quantized_, back_, std::nullopt, {});
  ASSERT_TRUE(status.ok()) << status;
}

QuantizeFileOptions RoundTrip::Options(const std::string& recipe) {
  QuantizeFileOptions options;
  options.recipe = *quant::FindRecipe(recipe);
  options.include = {"*"};
  return options;
}

}  // namespace cnn_fp4::fp4
