#include "train/checkpoint.h"

#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/runtime.h"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<nn::UNet> MakeNet(uint64_t seed, double scale = 0.125) {
  nn::UNetOptions options;
  options.model_scale_factor = scale;
  return *nn::UNet::Create(options, *nn::FindConvPrecision("fp32"), seed);
}

torch::optim::Adam MakeAdam(const nn::UNet& net) {
  std::vector<at::Tensor> tensors;
  for (const auto& parameter : net.parameters()) {
    tensors.push_back(*parameter.tensor);
  }
  return torch::optim::Adam(tensors, torch::optim::AdamOptions(1e-3));
}

void Step(nn::UNet& net, torch::optim::Adam& adam) {
  adam.zero_grad();
  net.Forward(at::randn({1, 3, 16, 16})).square().mean().backward();
  adam.step();
}

// A directory of its own for each test.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest()
      : directory_(
            ::testing::TempDir() + "/" +
            absl::StrReplaceAll(
                ::testing::UnitTest::GetInstance()->current_test_info()->name(),
                {{"/", "_"}})) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  const std::string directory_;
};

// Two threads, too: matrix products may not depend on how these take turns.
class ContinuesTest : public CheckpointTest,
                      public ::testing::WithParamInterface<int> {
 protected:
  ContinuesTest() { nn::InitRuntime(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Threads, ContinuesTest, ::testing::Values(1, 2));

TEST_P(ContinuesTest, BitForBit) {
  torch::manual_seed(1);
  const auto a = MakeNet(1);
  auto adam_a = MakeAdam(*a);
  Step(*a, adam_a);
  Step(*a, adam_a);
  const std::string path = CheckpointPath(directory_, 2);
  ASSERT_TRUE(SaveCheckpoint(path, *a, adam_a, "{\"x\":1}").ok());
  Step(*a, adam_a);  // Draws its images from the generator, too.

  const auto b = MakeNet(2);
  auto adam_b = MakeAdam(*b);
  const auto metadata = LoadCheckpoint(path, *b, &adam_b);
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_EQ(*metadata, "{\"x\":1}");
  Step(*b, adam_b);
  for (size_t i = 0; i < a->parameters().size(); ++i) {
    EXPECT_TRUE(
        at::equal(*a->parameters()[i].tensor, *b->parameters()[i].tensor))
        << a->parameters()[i].name
        << (*a->parameters()[i].tensor - *b->parameters()[i].tensor)
               .abs()
               .max()
               .item<float>();
  }
}

TEST_F(CheckpointTest, RefusesAnotherNet) {
  const auto a = MakeNet(1);
  auto adam = MakeAdam(*a);
  const std::string path = CheckpointPath(directory_, 1);
  ASSERT_TRUE(SaveCheckpoint(path, *a, adam, "").ok());
  const auto b = MakeNet(1, 0.25);
  const auto loaded = LoadCheckpoint(path, *b, nullptr);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(loaded.status().message(), HasSubstr("enc1.conv1.weight"));
}

TEST_F(CheckpointTest, ABrokenFileIsNamed) {
  const auto net = MakeNet(1);
  auto adam = MakeAdam(*net);
  const std::string path = CheckpointPath(directory_, 1);
  ASSERT_TRUE(SaveCheckpoint(path, *net, adam, "").ok());
  fs::resize_file(path, fs::file_size(path) / 2);
  const auto loaded = LoadCheckpoint(path, *net, &adam);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(loaded.status().message(), HasSubstr(path));
  EXPECT_EQ(LoadCheckpoint(directory_ + "/no.pt", *net, &adam).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CheckpointTest, KeepsTheLastAndTheBest) {
  for (const char* name : {"step-000040.pt", "step-000080.pt", "best.pt",
                           "step-1000000.pt", "step-000120.pt.tmp", "x"}) {
    std::ofstream(directory_ + "/" + name) << "x";
  }
  EXPECT_THAT(CheckpointSteps(directory_), ElementsAre(40, 80, 1000000));
  ASSERT_TRUE(PruneCheckpoints(directory_, 2).ok());
  EXPECT_THAT(CheckpointSteps(directory_), ElementsAre(80, 1000000));
  EXPECT_TRUE(fs::exists(BestCheckpointPath(directory_)));
  EXPECT_THAT(CheckpointSteps(directory_ + "/none"), ElementsAre());
}

}  // namespace
}  // namespace cnn_fp4::train
