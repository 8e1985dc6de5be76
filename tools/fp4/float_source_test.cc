#include "tools/fp4/float_source.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "Eigen/Core"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/quantizer.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::Reader;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();
const float kNan = std::nanf("");

std::vector<uint8_t> AllHalves() {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 1 << 16; ++i) {
    bytes.push_back(i & 0xFF);
    bytes.push_back(i >> 8);
  }
  return bytes;
}

TEST(FloatSourceTest, EveryFloat16) {
  std::vector<float> out(1 << 16);
  Float16ToFloat32(AllHalves(), absl::MakeSpan(out));
  for (int i = 0; i < 1 << 16; ++i) {
    const float expected = Eigen::half_impl::half_to_float(
        Eigen::half_impl::raw_uint16_to_half(static_cast<uint16_t>(i)));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(out[i])) << i;
    } else {
      EXPECT_EQ(std::memcmp(&out[i], &expected, 4), 0)
          << i << ": " << out[i] << " " << expected;
    }
  }
}

TEST(FloatSourceTest, EveryBfloat16) {
  std::vector<float> out(1 << 16);
  Bfloat16ToFloat32(AllHalves(), absl::MakeSpan(out));
  for (uint32_t i = 0; i < 1 << 16; ++i) {
    const uint32_t expected = i << 16;
    EXPECT_EQ(std::memcmp(&out[i], &expected, 4), 0) << i;
  }
}

class NonFiniteTest : public ::testing::Test {
 protected:
  void Open(const std::vector<float>& values) {
    const std::string path = directory_.Write(
        "a", {FloatTensor("t", {2, static_cast<int64_t>(values.size()) / 2},
                          values)});
    reader_.emplace(*Reader::Open(path));
  }
  FloatSource Source(NonFinite policy) {
    return {*reader_, reader_->tensors()[0], policy};
  }

  TestDirectory directory_;
  std::optional<Reader> reader_;
};

TEST_F(NonFiniteTest, IsRefusedByNameAndIndex) {
  Open({1, 2, 3, 4, kNan, 6});
  FloatSource source = Source(NonFinite::kKeep);
  EXPECT_TRUE(source.CheckFinite(0, 4).ok());
  EXPECT_THAT(source.CheckFinite(2, 4).message(),
              HasSubstr("tensor 't': NaN at index [1, 1]"));
  Open({1, 2, 3, 4, 5, -kInf});
  FloatSource second = Source(NonFinite::kKeep);
  EXPECT_THAT(second.CheckFinite(0, 6).message(),
              HasSubstr("tensor 't': infinity at index [1, 2]"));
}

TEST_F(NonFiniteTest, IsReplacedOrKept) {
  Open({1, kNan, kInf, -kInf});
  FloatSource source = Source(NonFinite::kSaturate);
  EXPECT_THAT(source.Read(0, 4), ElementsAre(1, 0, kMax, -kMax));
  FloatSource keep = Source(NonFinite::kKeep);
  const auto values = keep.Read(1, 3);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], kInf);
}

// The same file `shift` bytes further on.
std::vector<uint8_t> Shifted(const std::string& path, size_t shift) {
  const std::string text = ReadText(path);
  std::vector<uint8_t> shifted(shift);
  shifted.insert(shifted.end(), text.begin(), text.end());
  return shifted;
}

TEST(FloatSourceTest, DataNeedNotBeAligned) {
  TestDirectory directory;
  const std::string path = directory.Write(
      "a", {FloatTensor("t", {2}, std::vector<float>{1.5f, -2.0f})});
  const std::vector<uint8_t> shifted = Shifted(path, 1);
  const auto reader =
      Reader::FromBytes("a", absl::MakeConstSpan(shifted).subspan(1));
  ASSERT_TRUE(reader.ok()) << reader.status();
  FloatSource source(*reader, reader->tensors()[0], NonFinite::kKeep);
  EXPECT_THAT(source.Read(0, 2), ElementsAre(1.5f, -2.0f));
}

TEST(FloatSourceTest, ViewsAreOfTheFilesTypeWhereItIsAligned) {
  TestDirectory directory;
  const std::vector<float> values = {1.5f, -2.0f, 3.0f, 0.5f};
  for (const auto& [type, viewed] :
       {std::pair(safetensors::DType::kF32, quant::DType::kFloat32),
        std::pair(safetensors::DType::kBf16, quant::DType::kBfloat16)}) {
    const std::string path =
        directory.Write("a", {FloatTensor("t", {4}, values, type)});
    for (const size_t shift : {0, 1}) {
      const std::vector<uint8_t> shifted = Shifted(path, shift);
      const auto reader =
          Reader::FromBytes("a", absl::MakeConstSpan(shifted).subspan(shift));
      ASSERT_TRUE(reader.ok()) << reader.status();
      FloatSource source(*reader, reader->tensors()[0], NonFinite::kKeep);
      const quant::TensorView view = source.View(1, 3);
      EXPECT_EQ(view.dtype, shift == 0 ? viewed : quant::DType::kFloat32);
      EXPECT_EQ(view.size, 3);
      const auto amax = quant::Amax(view);
      ASSERT_TRUE(amax.ok()) << amax.status();
      EXPECT_EQ(*amax, 3.0f);
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::fp4
