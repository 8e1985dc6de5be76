#include "train/checkpoint.h"

#include <torch/torch.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/runtime.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<nn::Net> MakeNet(uint64_t seed, double scale = 0.125) {
  TestNetOptions options;
  options.model_scale_factor = scale;
  options.seed = seed;
  return MakeTestNet("fp32", options).net;
}

torch::optim::Adam MakeAdam(const nn::Net& net) {
  return torch::optim::Adam(net.parameters(), torch::optim::AdamOptions(1e-3));
}

void Step(nn::Net& net, torch::optim::Adam& adam) {
  adam.zero_grad();
  net.forward(at::randn({1, 3, 16, 16})).dense.square().mean().backward();
  adam.step();
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
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
    // MKL reads its reproducible mode when it is first used, so every test of
    // this process sets it, not only those that compare bits.
    nn::InitRuntime(1);
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
  ASSERT_TRUE(SaveCheckpoint(path, {"fp32", 2, "{\"x\":1}"}, *a, adam_a).ok());
  Step(*a, adam_a);  // Draws its images from the generator, too.

  const auto b = MakeNet(2);
  auto adam_b = MakeAdam(*b);
  const auto loaded = LoadCheckpoint(path, "fp32", *b, &adam_b);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->arm, "fp32");
  EXPECT_EQ(loaded->step, 2);
  EXPECT_EQ(loaded->state, "{\"x\":1}");
  Step(*b, adam_b);
  const auto expected = a->named_parameters();
  const auto actual = b->named_parameters();
  for (const auto& parameter : expected) {
    EXPECT_TRUE(at::equal(parameter.value(), actual[parameter.key()]))
        << parameter.key();
  }
}

// One checkpoint, and the net that it is loaded into.
class SavedTest : public CheckpointTest {
 protected:
  SavedTest() : net_(MakeNet(1)), adam_(MakeAdam(*net_)) {
    Step(*net_, adam_);
    EXPECT_TRUE(SaveCheckpoint(path_, {"nvfp4", 1, "{}"}, *net_, adam_).ok());
  }

  absl::Status Load(const std::string& arm = "nvfp4") {
    return LoadCheckpoint(path_, arm, *net_, &adam_).status();
  }

  const std::string path_ = CheckpointPath(directory_, 1);
  std::shared_ptr<nn::Net> net_;
  torch::optim::Adam adam_;
};

TEST_F(SavedTest, RefusesAnotherNet) {
  const auto other = MakeNet(1, 0.25);
  const auto before = other->parameters()[0].clone();
  const auto loaded = LoadCheckpoint(path_, "nvfp4", *other, nullptr);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(loaded.status().message(), HasSubstr("enc1.conv1.weight"));
  EXPECT_TRUE(at::equal(before, other->parameters()[0]));
}

TEST_F(SavedTest, RefusesAnotherArm) {
  EXPECT_TRUE(Load().ok());
  EXPECT_TRUE(Load("").ok());
  const absl::Status status = Load("fp16");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("of the arm nvfp4, not of fp16"));
}

TEST_F(SavedTest, EveryFlippedBitIsNoticed) {
  const std::string good = ReadFile(path_);
  // The header, the archive from end to end, and the checksum itself.
  for (size_t i = 0; i < good.size(); i += 1 + good.size() / 101) {
    std::string bad = good;
    bad[i] ^= 4;
    WriteFile(path_, bad);
    const absl::Status status = Load();
    ASSERT_FALSE(status.ok()) << "byte " << i;
    EXPECT_THAT(status.message(), HasSubstr(path_));
  }
  std::string zeroed = good;
  std::fill_n(zeroed.begin() + good.size() / 2, 65536, '\0');
  WriteFile(path_, zeroed);
  EXPECT_EQ(Load().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Load().message(), HasSubstr("checksum"));
}

TEST_F(SavedTest, AHeaderOfAnotherProgramIsNamed) {
  const std::string begin = "cnn_fp4_emulation checkpoint 2\n";
  for (const std::string header :
       {"", "no JSON\n", "{}\n", "[]\n", "{\"arm\": 3, \"step\": 4}\n",
        "{\"arm\": \"nvfp4\", \"step\": \"4\"}\n",
        "{\"arm\": \"nvfp4\", \"step\": 4e46}\n",
        "{\"arm\": \"nvfp4\", \"step\": 1, \"validated\": 7}\n",
        "{\"arm\": \"nvfp4\", \"step\": 1}",
        "{\"arm\": \"nvfp4\", "
        "\"step\": 1}\nno archive"}) {
    std::string file = begin + header;
    file += absl::StrFormat(
        "%08x\n",
        crc32_z(0, reinterpret_cast<const Bytef*>(file.data()), file.size()));
    WriteFile(path_, file);
    EXPECT_EQ(Load().code(), absl::StatusCode::kDataLoss) << header;
    EXPECT_THAT(Load().message(), HasSubstr(path_));
  }
}

TEST_F(SavedTest, ABrokenFileIsNamed) {
  const std::string good = ReadFile(path_);
  for (const size_t size :
       {size_t{0}, size_t{10}, size_t{40}, good.size() / 2, good.size() - 1}) {
    WriteFile(path_, good.substr(0, size));
    EXPECT_EQ(Load().code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_THAT(Load().message(), HasSubstr(path_));
  }
  EXPECT_EQ(
      LoadCheckpoint(directory_ + "/no.pt", "", *net_, &adam_).status().code(),
      absl::StatusCode::kNotFound);
}

TEST_F(SavedTest, AnotherVersionSaysSo) {
  for (const std::string begin : {"cnn_fp4_emulation checkpoint 3\n", "PK"}) {
    WriteFile(path_, begin + "whatever follows");
    EXPECT_EQ(Load().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Load().message(), HasSubstr("another version"));
  }
}

TEST_F(SavedTest, ADamagedNewestOneIsSetAside) {
  EXPECT_EQ(FindResumeStep(directory_ + "/none")->step, 0);
  for (const int64_t step : {20, 40, 60}) {
    ASSERT_TRUE(SaveCheckpoint(CheckpointPath(directory_, step),
                               {"nvfp4", step, "{}", step != 20}, *net_, adam_)
                    .ok());
  }
  const auto whole = FindResumeStep(directory_);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->step, 60);
  EXPECT_TRUE(whole->validated);
  EXPECT_TRUE(whole->damaged.empty());

  WriteFile(CheckpointPath(directory_, 40), "");
  std::string flipped = ReadFile(CheckpointPath(directory_, 60));
  flipped[flipped.size() / 2] ^= 1;
  WriteFile(CheckpointPath(directory_, 60), flipped);
  const auto found = FindResumeStep(directory_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->step, 20);
  EXPECT_FALSE(found->validated);
  ASSERT_EQ(found->damaged.size(), 2u);
  EXPECT_EQ(found->damaged[0],
            directory_ +
                "/step-000060.pt: not a readable checkpoint (its checksum does "
                "not match its contents); it is kept as " +
                directory_ +
                "/damaged-step-000060.pt, and the arm continues from step 20, "
                "so that 40 steps are lost");
  EXPECT_THAT(CheckpointSteps(directory_), ElementsAre(1, 20));
  EXPECT_EQ(ReadFile(directory_ + "/damaged-step-000060.pt"), flipped);
  EXPECT_TRUE(fs::exists(directory_ + "/damaged-step-000040.pt"));

  // Nothing is touched where none is whole, or one is of another version.
  WriteFile(CheckpointPath(directory_, 1), "x");
  WriteFile(CheckpointPath(directory_, 20), "x");
  const absl::Status none = FindResumeStep(directory_).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(none.message(), HasSubstr("none of its 2 checkpoints can be"));
  EXPECT_THAT(CheckpointSteps(directory_), ElementsAre(1, 20));
  WriteFile(CheckpointPath(directory_, 20), "PK");
  EXPECT_EQ(FindResumeStep(directory_).status().code(),
            absl::StatusCode::kInvalidArgument);
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
