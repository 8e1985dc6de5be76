#include "train/weights_file.h"

#include <torch/torch.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct ToyNet : torch::nn::Module {
  ToyNet() {
    register_module("conv", torch::nn::Conv2d(1, 2, 1));
    register_module("norm", torch::nn::BatchNorm2d(2));
  }
};

struct Entry {
  std::string name, dtype, shape, bytes;
};

std::string Floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), 4 * values.size()};
}

// Written from the format's definition, not with io/safetensors.
std::string WriteFile(const std::string& name,
                      const std::vector<Entry>& entries) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}", data;
  for (const Entry& entry : entries) {
    absl::StrAppend(&header, ",\"", entry.name, "\":{\"dtype\":\"", entry.dtype,
                    "\",\"shape\":", entry.shape, ",\"data_offsets\":[",
                    data.size(), ",", data.size() + entry.bytes.size(), "]}");
    data += entry.bytes;
  }
  header += "}";
  const uint64_t length = header.size();
  std::string path = absl::StrCat(::testing::TempDir(), "/", name);
  std::ofstream(path, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&length), 8) << header
      << data;
  return path;
}

// 0.5 and -2 as FP16 and as BF16.
const char kHalfs[] = "\x00\x38\x00\xc0";
const char kBrains[] = "\x00\x3f\x00\xc0";

TEST(LoadWeightsFile, TakesWhatFitsAndListsTheRest) {
  const std::string path =
      WriteFile("fits.safetensors",
                {{"conv.weight", "F16", "[2,1,1,1]", std::string(kHalfs, 4)},
                 {"conv.bias", "F32", "[3]", Floats({1, 2, 3})},
                 {"norm.weight", "BF16", "[2]", std::string(kBrains, 4)},
                 {"norm.num_batches_tracked", "I64", "[]",
                  std::string("\x07\0\0\0\0\0\0\0", 8)},
                 {"norm.running_mean", "F32", "[2]", Floats({0.25f, 1e-3f})},
                 {"head.weight", "F32", "[1]", Floats({9})}});
  ToyNet net;
  const auto match = LoadWeightsFile(path, net);
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_THAT(match->loaded,
              ElementsAre("conv.weight", "norm.weight", "norm.running_mean",
                          "norm.num_batches_tracked"));
  EXPECT_THAT(match->kept,
              ElementsAre("conv.bias (its shape is [2], in the file [3])",
                          "norm.bias", "norm.running_var"));
  EXPECT_THAT(match->unused, ElementsAre("head.weight"));
  const auto parameters = net.named_parameters();
  const auto buffers = net.named_buffers();
  EXPECT_EQ(parameters["conv.weight"].flatten()[0].item<float>(), 0.5f);
  EXPECT_EQ(parameters["conv.weight"].flatten()[1].item<float>(), -2.0f);
  EXPECT_EQ(parameters["norm.weight"][1].item<float>(), -2.0f);
  EXPECT_EQ(buffers["norm.running_mean"][1].item<float>(), 1e-3f);
  EXPECT_EQ(buffers["norm.num_batches_tracked"].item<int64_t>(), 7);
  EXPECT_TRUE(parameters["conv.weight"].requires_grad());
}

TEST(LoadWeightsFile, WhatItRefusesLeavesTheNetAsItWas) {
  ToyNet net;
  const at::Tensor before = net.named_parameters()["conv.weight"].clone();
  const auto error = [&](const std::vector<Entry>& entries) {
    const auto match =
        LoadWeightsFile(WriteFile("refused.safetensors", entries), net);
    EXPECT_EQ(match.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(match.status().message());
  };
  const Entry good = {"conv.weight", "F32", "[2,1,1,1]", Floats({1, 2})};
  EXPECT_THAT(error({good, {"conv.bias", "F32", "[2]", Floats({1, NAN})}}),
              HasSubstr("'conv.bias': holds a value that is not a finite"));
  EXPECT_THAT(error({good, {"conv.bias", "U8", "[2]", "ab"}}),
              HasSubstr("'conv.bias': is of type U8"));
  // Finite as F64, but not as the net's F32.
  const double large = 1e300;
  EXPECT_THAT(error({good,
                     {"norm.bias", "F64", "[2]",
                      std::string(reinterpret_cast<const char*>(&large), 8) +
                          std::string(8, '\0')}}),
              HasSubstr("not a finite F32"));
  EXPECT_THAT(error({{"model.conv.weight", "F32", "[1]", Floats({1})}}),
              HasSubstr("none of its 1 tensors"));
  EXPECT_TRUE(at::equal(net.named_parameters()["conv.weight"], before));
  EXPECT_FALSE(LoadWeightsFile("/nonexistent", net).ok());
}

TEST(SaveWeightsFile, ReadsBackBitForBit) {
  const std::string path = ::testing::TempDir() + "/saved.safetensors";
  ToyNet net, other;
  ASSERT_TRUE(SaveWeightsFile(path, net).ok());
  const auto match = LoadWeightsFile(path, other);
  ASSERT_TRUE(match.ok()) << match.status();
  EXPECT_THAT(match->kept, IsEmpty());
  EXPECT_THAT(match->unused, IsEmpty());
  EXPECT_EQ(match->loaded.size(), 7u);
  EXPECT_TRUE(at::equal(net.named_parameters()["conv.weight"],
                        other.named_parameters()["conv.weight"]));
  EXPECT_FALSE(SaveWeightsFile("/nonexistent/a.safetensors", net).ok());
}

TEST(FileChecksum, IsTheCrcOfTheFile) {
  const std::string path = ::testing::TempDir() + "/checked";
  std::ofstream(path) << "123456789";
  EXPECT_EQ(*FileChecksum(path), "cbf43926");  // The check value of CRC-32.
  EXPECT_FALSE(FileChecksum("/nonexistent").ok());
  EXPECT_FALSE(FileChecksum(::testing::TempDir()).ok());
}

}  // namespace
}  // namespace cnn_fp4::train
