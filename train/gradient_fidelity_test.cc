#include "train/gradient_fidelity.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "train/task.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::Lt;
using ::testing::SizeIs;

// Images with values between -1 and 1, classes in stripes.
data::Batch MakeBatch(int seed) {
  data::Batch batch;
  batch.n = 2;
  batch.c = 3;
  batch.h = batch.w = 32;
  for (int i = 0; i < batch.n * batch.c * batch.h * batch.w; ++i) {
    batch.image.push_back(((i * 37 + seed * 11) % 101 - 50) / 50.0f);
  }
  for (int i = 0; i < batch.n * batch.h * batch.w; ++i) {
    batch.target.push_back(i / 5 % 2);
  }
  return batch;
}

using Key = std::pair<std::string, std::string>;

std::map<Key, GradientFidelity> Compare(const std::string& policy,
                                        const std::string& net_policy) {
  const TestNet test = MakeTestNet(net_policy);
  const std::vector<data::Batch> batches = {MakeBatch(1), MakeBatch(2)};
  const auto fidelity =
      CompareGradients(*CreateTask(TaskSpec()), *test.net, test.context,
                       batches, *nn::Policy::Parse(policy));
  EXPECT_TRUE(fidelity.ok()) << fidelity.status();
  std::map<Key, GradientFidelity> rows;
  for (const GradientFidelity& row : *fidelity) {
    EXPECT_TRUE(rows.insert({{row.layer, row.operand}, row}).second);
  }
  return rows;
}

TEST(CompareGradients, EveryFp4OperandOfTheBackwardPassHasARow) {
  const auto rows = Compare("nvfp4_all", "fp16");
  const GradientFidelity& dy = rows.at({"enc1.conv2", "dgrad_dy"});
  EXPECT_EQ(dy.gradient, "dx");
  EXPECT_THAT(dy.cosines, SizeIs(2));
  EXPECT_THAT(dy.cosines, Each(AllOf(Gt(0.9), Lt(1.0))));
  // The tiles of fprop, which the policy does not quantise again.
  EXPECT_THAT(rows.at({"enc1.conv2", "dgrad_w"}).cosines,
              Each(AllOf(Gt(0.9), Lt(1.0))));
  const GradientFidelity& wgrad = rows.at({"enc1.conv1", "wgrad_dy, wgrad_x"});
  EXPECT_EQ(wgrad.gradient, "dw");
  EXPECT_THAT(wgrad.cosines, Each(AllOf(Gt(0.5), Lt(1.0))));
  // Nothing needs the gradient of the images.
  EXPECT_EQ(rows.count({"enc1.conv1", "dgrad_dy"}), 0);
}

TEST(CompareGradients, APlainOperandHasNone) {
  const auto rows = Compare("nvfp4_all:first=bf16", "fp16");
  for (const auto& [key, row] : rows) EXPECT_NE(key.first, "enc1.conv1");
  EXPECT_FALSE(rows.empty());
  EXPECT_TRUE(Compare("fp16", "fp32").empty());
}

TEST(CompareGradients, StraightThroughGradientsFeelTheOperandsOfFprop) {
  const auto rows = Compare("nvfp4_forward_all", "fp32");
  EXPECT_EQ(rows.count({"enc1.conv2", "dgrad_dy"}), 0);
  EXPECT_THAT(rows.at({"enc1.conv2", "dgrad_w"}).cosines,
              Each(AllOf(Gt(0.9), Lt(1.0))));
  EXPECT_THAT(rows.at({"enc1.conv2", "wgrad_x"}).cosines,
              Each(AllOf(Gt(0.9), Lt(1.0))));
}

TEST(CompareGradients, DoesNotDependOnThePolicyThatTheNetHad) {
  EXPECT_EQ(Compare("mxfp4", "fp16").at({"enc2.conv1", "wgrad_x"}).cosines,
            Compare("mxfp4", "nvfp4").at({"enc2.conv1", "wgrad_x"}).cosines);
}

}  // namespace
}  // namespace cnn_fp4::train
