// What the callers of the kernels cannot reach at will: streaming stores, which
// only outputs larger than the caches get, and ties of random bits, of which
// there is one in 2^24 elements.

#include "quant/cpu/kernels.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/formats/e2m1_rounding.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr size_t kChunks = 3;
constexpr size_t kElements = kChunks * kChunk;
constexpr size_t kVectorFloats = 16;  // Of the widest vectors.

// Outputs that start at a vector boundary, and one element behind it.
class Streaming : public ::testing::TestWithParam<size_t> {
 protected:
  Streaming() : storage_(kElements + 2 * kVectorFloats) {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    for (float& v : x_) v = normal(engine);
    params_.rule = ScaleRule::kPow2RoundUp;
  }
  ~Streaming() override { UseInstructionSet(0); }

  float* Streamed() {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    const size_t misplaced = address / sizeof(float) % kVectorFloats;
    return storage_.data() + (kVectorFloats - misplaced) + GetParam();
  }

  std::vector<float> storage_;
  std::vector<float> x_ = std::vector<float>(kElements);
  std::vector<float> y_ = std::vector<float>(kElements);
  KernelParams params_;
};

TEST_P(Streaming, WritesTheSameValues) {
  for (const InstructionSet& set : SupportedInstructionSets()) {
    UseInstructionSet(set.id);
    float* streamed = Streamed();
    const auto expect_same = [&](const char* kernel) {
      FlushStreams();
      for (size_t i = 0; i < kElements; ++i) {
        ASSERT_EQ(streamed[i], y_[i]) << set.name << " " << kernel << " " << i;
      }
    };
    KernelOutput plain, stream;
    plain.values = y_.data();
    stream.values = streamed;
    stream.stream = true;
    ASSERT_EQ(QuantizeChunks(params_, 2, x_.data(), kChunks, {}, plain),
              kChunks);
    ASSERT_EQ(QuantizeChunks(params_, 2, x_.data(), kChunks, {}, stream),
              kChunks);
    EXPECT_NE(y_[0], 0.0f);
    expect_same("QuantizeChunks");

    constexpr size_t kFactors = kElements / kUnit;
    std::vector<float> factors(kFactors, 2.0f), dequantize(kFactors);
    for (size_t i = 0; i < kFactors; ++i) dequantize[i] = 0.25f * i;
    QuantizeUnits(params_, x_.data(), kFactors, factors.data(),
                  dequantize.data(), {}, plain);
    QuantizeUnits(params_, x_.data(), kFactors, factors.data(),
                  dequantize.data(), {}, stream);
    EXPECT_NE(y_[kUnit], 0.0f);
    expect_same("QuantizeUnits");

    // Rows of 48: three panels of whole lines each.
    constexpr size_t kRows = 16, kColumns = kElements / kRows;
    ASSERT_EQ(QuantizeColumns(params_, x_.data(), kRows, kColumns, kColumns, {},
                              0, plain, kColumns),
              kColumns);
    ASSERT_EQ(QuantizeColumns(params_, x_.data(), kRows, kColumns, kColumns, {},
                              0, stream, kColumns),
              kColumns);
    EXPECT_NE(y_[1], 0.0f);
    expect_same("QuantizeColumns");

    std::vector<uint8_t> packed(kElements / 2);
    for (size_t i = 0; i < packed.size(); ++i) packed[i] = i % 256;
    DequantizeUnits(packed.data(), kFactors, dequantize.data(),
                    /*stream=*/false, y_.data());
    DequantizeUnits(packed.data(), kFactors, dequantize.data(),
                    /*stream=*/true, streamed);
    EXPECT_NE(y_[kUnit + 2], 0.0f);
    expect_same("DequantizeUnits");
  }
}

// Elements whose place between their neighbours has the 24 leading bits of
// their random word: the word's other 8 bits decide.
TEST(StochasticRounding, TiesOfLeadingBitsGoByTheOthers) {
  std::mt19937 engine(1);
  std::vector<float> x(kElements);
  std::vector<uint32_t> words(kElements);
  int up = 0, tied = 0;
  for (size_t i = 0; i < kElements; ++i) {
    words[i] = engine();
    // In steps of .5 from 0 on, with as many bits as FP32 has for it; below a
    // quarter of the words it has some beyond the 24.
    if (i % 4 != 0) words[i] >>= i % 4 * 3;
    const double leading = words[i] >> 8 << 8;
    x[i] = static_cast<float>((leading + static_cast<double>(engine() % 256)) *
                              0x1p-33);
    // The conversion may have rounded up to the next 24 bits.
    if (x[i] * 0x1p33 >= leading + 256) x[i] = leading * 0x1p-33;
    tied += x[i] * 0x1p33 != leading;
  }
  EXPECT_GT(tied, static_cast<int>(kElements) / 2);
  KernelParams params;
  params.rule = ScaleRule::kPow2RoundUp;
  params.rounding = Rounding::kStochastic;
  const std::vector<float> ones(kElements, 1.0f);
  std::vector<uint8_t> codes(kElements);
  for (const InstructionSet& set : SupportedInstructionSets()) {
    UseInstructionSet(set.id);
    RandomBits random;
    random.words = words.data();
    QuantizeElements(params, x.data(), kElements, ones.data(), ones.data(),
                     random, nullptr, codes.data());
    for (size_t i = 0; i < kElements; ++i) {
      ASSERT_EQ(codes[i], EncodeE2m1Stochastic(x[i], words[i]))
          << set.name << " " << i << ": " << x[i] << ", " << words[i];
      up += codes[i];
    }
  }
  UseInstructionSet(0);
  EXPECT_GT(up, 0);
}

INSTANTIATE_TEST_SUITE_P(Alignments, Streaming, ::testing::Values(0, 1));

}  // namespace
}  // namespace cnn_fp4::quant::cpu
