// The library's results in hostile floating-point environments: of the caller,
// of the threads that help, of both.

#include "quant/float_environment.h"

#include <omp.h>

#include <cfenv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/parallel.h"
#include "quant/distortion.h"
#include "quant/float16.h"
#include "quant/quantizer.h"
#include "quant/random_hadamard.h"
#include "quant/reference/reference_quantizer.h"
#include "quant/testing/hostile_environments.h"
#include "quant/testing/reference_bits.h"

namespace cnn_fp4::quant {
namespace {

// Two threads for any tensor, and back.
class FloatEnvironmentTest : public ::testing::Test {
 protected:
  FloatEnvironmentTest() {
    omp_set_num_threads(2);
    cpu::SetWorthThreadsForTest(1);
  }
  ~FloatEnvironmentTest() override {
    SetWorkers(kUsual);
    Set(kUsual);
    cpu::SetWorthThreadsForTest(65536);
    omp_set_num_threads(max_threads_);
  }

  // Of all threads of the pool but this one.
  static void SetWorkers(const Environment& e) {
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() != 0) Set(e);
  }

  // Calls run() in each environment on this thread, the other one, or both, and
  // compare() in the usual one.
  template <class Run, class Compare>
  static void InEachEnvironment(const Run& run, const Compare& compare) {
    for (const Environment& e : kHostileEnvironments) {
      for (const int where : {1, 2, 3}) {
        SCOPED_TRACE(std::string(e.name) + (where == 1 ? " here"
                                            : where == 2
                                                ? " on the other thread"
                                                : " on both threads"));
        SetWorkers((where & 2) != 0 ? e : kUsual);
        Set((where & 1) != 0 ? e : kUsual);
        const unsigned before = Control() & ~0x3Fu;  // Without flags.
        const int rounding = fegetround();
        run();
        const unsigned after = Control() & ~0x3Fu;
        const int rounding_after = fegetround();
        SetWorkers(kUsual);
        Set(kUsual);
        EXPECT_EQ(after, before);
        EXPECT_EQ(rounding_after, rounding);
        compare();
      }
    }
  }

 private:
  const int max_threads_ = omp_get_max_threads();
};

// Where subnormals come up as elements, scales or tensor scales, and ordinary
// numbers for the rounding modes.
std::vector<std::vector<float>> Tensors() {
  std::vector<std::vector<float>> tensors;
  for (const float scale : {1e-38f, 7e-36f, 1e-42f, 1e-20f, 1.0f}) {
    std::vector<float> x(64 * 48);
    for (size_t i = 0; i < x.size(); ++i) {
      const float v = static_cast<float>(i * 7919 % 997) / 101.0f;
      x[i] = (i % 3 == 0 ? -v : v) * scale;
    }
    tensors.push_back(x);
  }
  return tensors;
}

TEST_F(FloatEnvironmentTest, QuantiserAndReferenceHaveTheirOwn) {
  std::vector<std::string> names = {"nvfp4+sr8", "mxfp4+sr", "nvfp4+rht",
                                    "nvfp4_four_over_six+sr"};
  for (const NamedRecipe& named : RecipeRegistry()) {
    if (named.recipe.scale_rule == ScaleRule::kBestOf126) continue;  // Slow.
    names.push_back(named.recipe.name);
  }
  for (const std::string& name : names) {
    const Recipe recipe = FindRecipe(name).value();
    for (const std::vector<float>& x : Tensors()) {
      for (const int axis : {1, 0}) {
        if (recipe.block_rows > 1 && axis == 0) continue;
        SCOPED_TRACE(name + " axis " + std::to_string(axis) + " x[1] " +
                     std::to_string(std::log10(x[1])));
        const BlockGrid grid = *BlockGrid::Along({64, 48}, axis, recipe);
        const auto expected = reference::Quantize(recipe, grid, x).value();
        std::vector<float> y(x.size()), back(x.size()), again_back(x.size());
        absl::Status status;
        absl::StatusOr<PackedTensor> packed;
        absl::StatusOr<reference::Result> again;
        InEachEnvironment(
            [&] {
              status = FakeQuantize(recipe, grid, x, absl::MakeSpan(y));
              packed = Quantize(recipe, grid, x);
              status.Update(Dequantize(*packed, absl::MakeSpan(back)));
              again = reference::Quantize(recipe, grid, x);
              status.Update(reference::Dequantize(expected.packed,
                                                  absl::MakeSpan(again_back)));
            },
            [&] {
              ASSERT_TRUE(status.ok()) << status;
              EXPECT_TRUE(SameBits(expected.values, y)) << "values";
              EXPECT_TRUE(SameBits(expected.values, back)) << "dequantised";
              EXPECT_TRUE(SameBits(expected.values, again_back));
              EXPECT_TRUE(SameBits(expected.values, again->values));
              ExpectSamePacked(expected.packed, *packed);
              ExpectSamePacked(expected.packed, again->packed);
            });
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(FloatEnvironmentTest, OtherFunctionsToo) {
  for (const std::vector<float>& x : Tensors()) {
    const Recipe recipe = FindRecipe("mxfp4").value();
    const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
    const auto packed = Quantize(recipe, grid, x).value();
    struct Results {
      std::vector<float> half, bfloat, rotated, back;
      std::vector<uint16_t> narrow;
      double error = 0.0;
      DistortionStats pairs;
    };
    const auto all = [&] {
      Results r;
      r.half = r.bfloat = r.rotated = r.back = x;
      RoundToHalf(x, absl::MakeSpan(r.half));
      RoundToBfloat16(x, absl::MakeSpan(r.bfloat));
      EXPECT_TRUE(RotateGroups(x, 7, absl::MakeSpan(r.rotated)).ok());
      EXPECT_TRUE(UnrotateGroups(x, 7, absl::MakeSpan(r.back)).ok());
      r.narrow.resize(x.size());
      EXPECT_TRUE(
          FakeQuantize(recipe, grid, TensorView::Float32(x),
                       MutableTensorView::Bfloat16(absl::MakeSpan(r.narrow)))
              .ok());
      DistortionStats stats;
      EXPECT_TRUE(stats.Add(x, packed).ok());
      r.error = stats.MaxAbsError();
      // Pairs without codes: sums that the direction of rounding changes.
      EXPECT_TRUE(r.pairs.Add(x, r.half).ok());
      return r;
    };
    const Results expected = all();
    Results r;
    InEachEnvironment([&] { r = all(); },
                      [&] {
                        EXPECT_TRUE(SameBits(expected.half, r.half));
                        EXPECT_TRUE(SameBits(expected.bfloat, r.bfloat));
                        EXPECT_TRUE(SameBits(expected.rotated, r.rotated));
                        EXPECT_TRUE(SameBits(expected.back, r.back));
                        EXPECT_EQ(expected.narrow, r.narrow);
                        EXPECT_EQ(expected.error, r.error);
                        EXPECT_EQ(expected.pairs.MeanSquaredError(),
                                  r.pairs.MeanSquaredError());
                      });
    if (HasFailure()) return;
  }
}

TEST(FloatEnvironment, LastsForAScope) {
  const Environment hostile = kHostileEnvironments[0];
  Set(hostile);
  const unsigned before = Control();
  unsigned within = 0;
  {
    const FloatEnvironment environment;
    within = Control();
  }
  const unsigned after = Control();
  Set(kUsual);
  EXPECT_EQ(after, before);
#ifdef __SSE__
  EXPECT_EQ(within, 0x1F80u);
#endif
}

}  // namespace
}  // namespace cnn_fp4::quant
