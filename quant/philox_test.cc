#include "quant/philox.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::quant {
namespace {

std::vector<uint32_t> Words(const PhiloxBlock& b) {
  return {b.words[0], b.words[1], b.words[2], b.words[3]};
}

// Random123's known answers for philox4x32-10.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(
      Words(Philox4x32({}, {})),
      (std::vector<uint32_t>{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  constexpr uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(
      Words(Philox4x32({{kOnes, kOnes, kOnes, kOnes}}, {kOnes, kOnes})),
      (std::vector<uint32_t>{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(
      Words(Philox4x32({{0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}},
                       {0xA4093822, 0x299F31D0})),
      (std::vector<uint32_t>{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

// Which element takes which bits: part of the contract.
TEST(Philox, MappingOfElements) {
  const PhiloxKey key{0xA4093822, 0x299F31D0};
  const PhiloxBlock block = PhiloxAt(3, key);
  EXPECT_EQ(Words(block),
            Words(Philox4x32({{3, 0, 0, 0}}, {0xA4093822, 0x299F31D0})));
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(RandomByte(3 * 16 + i, key),
              static_cast<uint8_t>(block.words[i / 4] >> (8 * (i % 4))));
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(RandomWord(3 * 4 + i, key), block.words[i]);
  }
  const uint64_t far = uint64_t{5} << 40;
  EXPECT_EQ(RandomWord(far, key),
            Philox4x32({{0, 5u << 6, 0, 0}}, key).words[0]);
}

// Words 2 and 3 of the counter are the step: Random123's third known answer,
// counter words {index, step}.
TEST(Philox, StepIsTheUpperHalfOfTheCounter) {
  const PhiloxKey key{0xA4093822, 0x299F31D0};
  const uint64_t index = 0x85A308D3243F6A88, step = 0x0370734413198A2E;
  const std::vector<uint32_t> published = {0xD16CFE09, 0x94FDCCEB, 0x5001E420,
                                           0x24126EA1};
  EXPECT_EQ(Words(PhiloxAt(index, key, step)), published);
  // Elements whose indices fit 64 bits: the same block by way of the maps.
  const uint64_t small = 0x085A308D3243F6A8;
  const PhiloxBlock block =
      Philox4x32({{0x3243F6A8, 0x085A308D, 0x13198A2E, 0x03707344}}, key);
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(RandomWord(small * 4 + i, key, step), block.words[i]);
  }
  for (uint64_t i = 0; i < 16; ++i) {
    EXPECT_EQ(RandomByte(small * 16 + i, key, step),
              static_cast<uint8_t>(block.words[i / 4] >> (8 * (i % 4))));
  }
  EXPECT_EQ(Words(PhiloxAt(3, key)), Words(PhiloxAt(3, key, 0)));
}

}  // namespace
}  // namespace cnn_fp4::quant
