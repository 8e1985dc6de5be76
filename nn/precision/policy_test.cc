#include "nn/precision/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::nn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<LayerInfo> Layers() {
  return {{"enc1.conv1", LayerRole::kFirst, 3, 16, 3},
          {"enc1.conv2", LayerRole::kOrdinary, 16, 16, 3},
          {"dec1.up", LayerRole::kOrdinary, 32, 16, 2, 2, 1, true},
          {"dec1.conv2", LayerRole::kLast, 16, 16, 3},
          {"out", LayerRole::kOutput, 16, 0, 1}};
}

std::vector<ConvPrecision> Resolve(const std::string& text) {
  const auto policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status();
  const auto resolved = policy->Resolve(Layers());
  EXPECT_TRUE(resolved.ok()) << resolved.status();
  return *resolved;
}

// What fprop_x is in each layer.
std::vector<std::string> FpropX(const std::string& text) {
  std::vector<std::string> formats;
  for (const ConvPrecision& precision : Resolve(text)) {
    const quant::Recipe* const recipe = precision.fprop_x.recipe();
    formats.push_back(recipe != nullptr
                          ? recipe->name
                          : std::string(ToString(std::get<PlainFormat>(
                                precision.fprop_x.format))));
  }
  return formats;
}

std::string Error(const std::string& text) {
  const auto policy = Policy::Parse(text);
  if (!policy.ok()) return std::string(policy.status().message());
  return std::string(policy->Resolve(Layers()).status().message());
}

TEST(Policy, ANamedPolicyIsEverywhereButInTheOutputLayer) {
  EXPECT_THAT(FpropX("nvfp4_forward_all"),
              ElementsAre("nvfp4", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("fp16"),
              ElementsAre("fp16", "fp16", "fp16", "fp16", "fp16"));
  EXPECT_EQ(Resolve("fp16")[4].result, PlainFormat::kFloat16);
}

TEST(Policy, LossScalingIsTheNamesUnlessTheLineSaysOtherwise) {
  const auto scaling = [](const char* text) {
    return std::string(ToString(Policy::Parse(text)->loss_scaling()));
  };
  EXPECT_EQ(scaling("fp16"), "dynamic");
  EXPECT_EQ(scaling("nvfp4"), "off");
  EXPECT_EQ(scaling("fp16:loss_scaling=off"), "off");
  EXPECT_EQ(scaling("nvfp4:first=fp32:loss_scaling=static"), "static");
  EXPECT_EQ(scaling("nvfp4:loss_scaling=dynamic"), "dynamic");
  EXPECT_THAT(Error("nvfp4:loss_scaling=yes"),
              HasSubstr("loss_scaling is 'yes'; known: off, static, dynamic"));
}

TEST(Policy, RecipesOfPoliciesSpelledOut) {
  const auto precision = [](const std::string& name) {
    return Policy::Parse(name)->base().precision;
  };
  const std::string along = " along the reduction axis";
  EXPECT_EQ(ToString(precision("nvfp4").fprop_x),
            "nvfp4{element=e2m1 rounding=nearest "
            "scale=e4m3:transformer_engine tensor_scale=per_tensor block=1x16 "
            "scale_max=448 hadamard=no}" +
                along);
  EXPECT_EQ(ToString(precision("nvfp4").wgrad_dy),
            "nvfp4+sr+rht{element=e2m1 rounding=sr "
            "scale=e4m3:transformer_engine tensor_scale=per_tensor block=1x16 "
            "scale_max=448 hadamard=yes}" +
                along);
  EXPECT_EQ(ToString(precision("nvfp4_four_over_six").fprop_w),
            "nvfp4_four_over_six_2d{element=e2m1 rounding=nearest "
            "scale=e4m3:four_over_six_mse tensor_scale=per_tensor block=16x16 "
            "scale_max=256 hadamard=no}" +
                along);
  EXPECT_EQ(ToString(precision("mxfp4").fprop_x),
            "mxfp4{element=e2m1 rounding=nearest scale=e8m0:pow2_rceil "
            "tensor_scale=none block=1x32 scale_max=448 hadamard=no}" +
                along);
  const std::string pow2 =
      "pow2_1x16{element=e2m1 rounding=nearest scale=e8m0:pow2_rceil "
      "tensor_scale=none block=1x16 scale_max=448 hadamard=no} ";
  EXPECT_EQ(ToString(precision("nvfp4_seed").fprop_x),
            pow2 + "along the last dimension");
  EXPECT_EQ(ToString(precision("nvfp4_seed").fprop_w),
            pow2 + "of the flattened tensor");
}

TEST(Policy, ANameBringsItsExceptions) {
  EXPECT_THAT(FpropX("nvfp4"),
              ElementsAre("bf16", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  EXPECT_EQ(*SpellOut(*Policy::Parse("nvfp4"), Layers()),
            *SpellOut(*Policy::Parse("nvfp4_all:first=bf16"), Layers()));
  EXPECT_EQ(Policy::Parse("nvfp4")->Key(), "nvfp4");
  // What is written comes later, so it wins.
  EXPECT_THAT(FpropX("nvfp4:first=fp32"),
              ElementsAre("fp32", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  // A net without a first layer has nothing to except; a pattern that somebody
  // wrote is refused.
  const std::vector<LayerInfo> none = {
      {"conv", LayerRole::kOrdinary, 16, 16, 3}};
  EXPECT_TRUE(Policy::Parse("nvfp4")->Resolve(none).ok());
  EXPECT_FALSE(Policy::Parse("nvfp4_all:first=bf16")->Resolve(none).ok());
  // As a layer's format it is the rule of an ordinary layer.
  EXPECT_THAT(FpropX("fp32:first=nvfp4"),
              ElementsAre("nvfp4", "fp32", "fp32", "fp32", "fp32"));
}

TEST(Policy, OneOperandOfWgradIsNotRotatedAlone) {
  EXPECT_THAT(Error("nvfp4_all:enc1.conv2/wgrad_x=nvfp4"),
              HasSubstr("in layer enc1.conv2 wgrad_dy is rotated and wgrad_x "
                        "is not"));
  EXPECT_THAT(Error("fp32:enc1.conv2/wgrad_x=nvfp4+rht"),
              HasSubstr("wgrad_x is rotated and wgrad_dy is not"));
  EXPECT_EQ(Error("fp32:*/wgrad_x=nvfp4+rht:*/wgrad_dy=mxfp4+rht"), "");
}

TEST(Policy, PatternsMeetLayersAndTheLastOneWins) {
  EXPECT_THAT(FpropX("nvfp4_forward_all:first=bf16"),
              ElementsAre("bf16", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("nvfp4_forward_all:last=fp16"),
              ElementsAre("nvfp4", "nvfp4", "nvfp4", "fp16", "fp32"));
  EXPECT_THAT(FpropX("nvfp4_forward_all:*.up=mxfp4"),
              ElementsAre("nvfp4", "nvfp4", "mxfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("nvfp4_forward_all:enc1.*=fp32:enc1.conv2=fp16"),
              ElementsAre("fp32", "fp16", "nvfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("nvfp4_forward_all:enc1.conv2=fp16:enc1.*=fp32"),
              ElementsAre("fp32", "fp32", "nvfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("fp32:*conv?=nvfp4"),
              ElementsAre("nvfp4", "nvfp4", "fp32", "nvfp4", "fp32"));
}

TEST(Policy, TheOutputLayerIsMetByItsNameOnly) {
  EXPECT_THAT(FpropX("fp32:*=nvfp4"),
              ElementsAre("nvfp4", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  EXPECT_THAT(FpropX("fp32:out=nvfp4"),
              ElementsAre("fp32", "fp32", "fp32", "fp32", "nvfp4"));
}

TEST(Policy, AnOperandHasAFormatOfItsOwn) {
  const auto precisions = Resolve(
      "nvfp4_forward_all:enc1.conv1/fprop_x=bf16:enc1.conv1/dgrad_dy=mxfp4+sr");
  const ConvPrecision& first = precisions[0];
  EXPECT_EQ(ToString(first.fprop_x), "bf16");
  EXPECT_EQ(first.fprop_w.recipe()->name, "nvfp4");
  EXPECT_EQ(first.dgrad_dy.recipe()->name, "mxfp4+sr");
  EXPECT_EQ(ToString(first.wgrad_dy), "fp32");
  EXPECT_FALSE(first.dgrad_w.has_value());
  EXPECT_EQ(Resolve("nvfp4_forward_all:first/dgrad_w=nvfp4_2d")[0]
                .dgrad_w->recipe()
                ->name,
            "nvfp4_2d");
}

TEST(Policy, TheNameAloneGivesTheFormatOfTheResults) {
  EXPECT_EQ(Resolve("fp16:first=nvfp4")[0].result, PlainFormat::kFloat16);
  EXPECT_EQ(Resolve("nvfp4_forward_all:first=fp16")[0].result,
            PlainFormat::kFloat32);
}

TEST(Policy, ErrorsSayWhatIsKnown) {
  EXPECT_THAT(Error("fp3"), HasSubstr("nvfp4_seed"));
  EXPECT_THAT(Error("nvfp4_forward_all:frist=bf16"),
              HasSubstr("enc1.conv1, enc1.conv2"));
  EXPECT_THAT(Error("nvfp4_forward_all:first"),
              HasSubstr("PATTERN[/OPERAND]=FORMAT"));
  EXPECT_THAT(Error("nvfp4_forward_all:=bf16"),
              HasSubstr("PATTERN[/OPERAND]=FORMAT"));
  EXPECT_THAT(Error("nvfp4_forward_all:first="),
              HasSubstr("PATTERN[/OPERAND]=FORMAT"));
  EXPECT_THAT(Error("nvfp4_forward_all:[ab]=bf16"),
              HasSubstr("PATTERN[/OPERAND]=FORMAT"));
  EXPECT_THAT(Error("nvfp4_forward_all:first=fp8"),
              HasSubstr("fp32, fp16, bf16"));
  EXPECT_THAT(Error("nvfp4_forward_all:first/y=bf16"), HasSubstr("wgrad_dy"));
  EXPECT_THAT(Error("nvfp4_forward_all:first/fprop_x=fp8"),
              HasSubstr("pow2_1x16"));
  EXPECT_THAT(Error("nvfp4_forward_all:first/fprop_x=nvfp4+rht"),
              HasSubstr("rotates"));
  EXPECT_THAT(Error("nvfp4_forward_all:first/fprop_x=nvfp4_2d"),
              HasSubstr("fprop_w"));
  EXPECT_THAT(Error("nvfp4_forward_all:first/fprop_x=nvfp4_rowscaled"),
              HasSubstr("row"));
}

TEST(Policy, SmallGroupsAreInFp4OnlyWhenNamed) {
  const std::vector<LayerInfo> layers = {
      {"stem", LayerRole::kFirst, 3, 32, 3},
      {"depthwise", LayerRole::kOrdinary, 32, 32, 3, 1, 32}};
  const auto error = [&](const std::string& text) {
    return std::string(Policy::Parse(text)->Resolve(layers).status().message());
  };
  EXPECT_THAT(error("nvfp4_forward_all"),
              HasSubstr("layer depthwise has groups of 1"));
  EXPECT_THAT(error("nvfp4_forward_all:d*=mxfp4"), HasSubstr("depthwise"));
  EXPECT_EQ(error("nvfp4_forward_all:depthwise=nvfp4"), "");
  EXPECT_EQ(error("nvfp4_forward_all:depthwise=bf16"), "");
  EXPECT_EQ(error("fp16"), "");
}

std::vector<LayerInfo> LayersAndNorm() {
  std::vector<LayerInfo> layers = Layers();
  layers.insert(layers.begin() + 1,
                {"enc1.norm1", LayerRole::kNorm, 16, 16, 1});
  return layers;
}

TEST(Policy, TheInputOfANormalisationIsNamedByItself) {
  const auto formats = [](const std::string& text) {
    const auto resolved = Policy::Parse(text)->Resolve(LayersAndNorm());
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    std::vector<std::string> formats;
    for (const ConvPrecision& precision : *resolved) {
      const OperandFormat& x = precision.fprop_x;
      formats.push_back(x.recipe() != nullptr ? x.recipe()->name : ToString(x));
    }
    return formats;
  };
  EXPECT_THAT(formats("nvfp4:*/x=mxfp4"),
              ElementsAre("bf16", "mxfp4", "nvfp4", "nvfp4", "nvfp4", "fp32"));
  // Neither a policy's name nor what is said of layers meets it.
  EXPECT_THAT(formats("fp16:*=mxfp4_forward_all:*/fprop_x=bf16"),
              ElementsAre("bf16", "fp32", "bf16", "bf16", "bf16", "fp16"));
  const auto error = [](const std::string& text) {
    return std::string(
        Policy::Parse(text)->Resolve(LayersAndNorm()).status().message());
  };
  EXPECT_THAT(error("fp16:enc1.conv1/x=fp16"),
              HasSubstr("meets no normalisation; the normalisations are "
                        "enc1.norm1"));
  EXPECT_THAT(error("fp16:enc1.norm1=bf16"),
              HasSubstr("meets no layer; the layers are enc1.conv1, "
                        "enc1.conv2"));
  EXPECT_FALSE(Policy::Parse("fp16:*/x=nvfp4+rht").ok());
  EXPECT_FALSE(Policy::Parse("fp16:*/x=nvfp4_2d").ok());
}

TEST(SpellOut, NormalisationsAreThereWhereTheirInputIsNotInFp32) {
  EXPECT_EQ(*SpellOut(*Policy::Parse("nvfp4"), LayersAndNorm()),
            *SpellOut(*Policy::Parse("nvfp4"), Layers()));
  const auto text = SpellOut(*Policy::Parse("nvfp4:*/x=fp16"), LayersAndNorm());
  EXPECT_EQ(nlohmann::json::parse(*text)["norm_x"].dump(),
            "{\"enc1.norm1\":\"fp16\"}");
}

TEST(Policy, KeysAreFitForDirectories) {
  EXPECT_EQ(Policy::Parse("nvfp4_seed")->Key(), "nvfp4_seed");
  const std::string key = Policy::Parse("nvfp4_forward_all:*.up=fp32")->Key();
  EXPECT_THAT(key, ::testing::MatchesRegex(
                       "nvfp4_forward_all--\\.up-fp32-[0-9a-f]{4}"));
  EXPECT_NE(key, Policy::Parse("nvfp4_forward_all:?.up=fp32")->Key());
}

TEST(SpellOut, CoversEveryOperandOfEveryLayer) {
  const auto text =
      SpellOut(*Policy::Parse("nvfp4_forward_all:first=bf16"), Layers());
  ASSERT_TRUE(text.ok()) << text.status();
  const auto json = nlohmann::json::parse(*text);
  EXPECT_EQ(json["loss_scaling"], false);
  const auto loss_scaling = [](const char* policy) {
    return nlohmann::json::parse(
        *SpellOut(*Policy::Parse(policy), Layers()))["loss_scaling"];
  };
  EXPECT_EQ(loss_scaling("fp16"), true);
  EXPECT_EQ(loss_scaling("fp16:loss_scaling=static"), "static");
  ASSERT_EQ(json["precisions"].size(), 3u);
  const auto& first = json["precisions"][0];
  EXPECT_EQ(first["layers"].dump(),
            "[\"enc1.conv1 3x3 convolution, 3 to 16 channels, stride 1\"]");
  EXPECT_EQ(first["fprop_x"], "bf16");
  EXPECT_EQ(first["wgrad_dy"], "bf16");
  EXPECT_EQ(first["dgrad_w"], "the operand of fprop");
  EXPECT_EQ(first["result"], "fp32");
  const auto& rest = json["precisions"][1];
  EXPECT_EQ(rest["layers"].size(), 3u);
  EXPECT_THAT(rest["fprop_w"].get<std::string>(),
              HasSubstr("block=1x16 scale_max=448"));
  EXPECT_EQ(json["precisions"][2]["layers"].dump(),
            "[\"out 1x1 convolution, 16 to classes channels, stride 1\"]");
  // The name is no part of it.
  EXPECT_THAT(*text, Not(HasSubstr("forward_all")));
}

}  // namespace
}  // namespace cnn_fp4::nn
