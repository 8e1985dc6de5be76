#include "tools/fp4/file_record.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::fp4 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(FileRecordTest, SurvivesTheRoundTrip) {
  FileRecord record;
  record.layout = Layout::kCompressedTensors;
  record.tensors.push_back({"a\n\xC3\xA9", {2, 3}, 1, "nvfp4+sr", "BF16"});
  record.tensors.push_back({"b", {}, 0, "mxfp4", "F32"});
  const auto back = ParseFileRecord("f", ToJson(record));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->layout, record.layout);
  ASSERT_EQ(back->tensors.size(), 2u);
  EXPECT_EQ(back->tensors[0].name, "a\n\xC3\xA9");
  EXPECT_THAT(back->tensors[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(back->tensors[0].axis, 1);
  EXPECT_EQ(back->tensors[0].recipe, "nvfp4+sr");
  EXPECT_EQ(back->tensors[0].dtype, "BF16");
  EXPECT_THAT(back->tensors[1].shape, IsEmpty());
}

TEST(FileRecordTest, NamesOfTheParts) {
  const Layout modelopt = *ParseLayout("modelopt");
  EXPECT_EQ(CodesName(modelopt, "layer.weight"), "layer.weight");
  EXPECT_EQ(ScalesName("layer.weight"), "layer.weight_scale");
  EXPECT_EQ(TensorScaleName(modelopt, "layer.weight"), "layer.weight_scale_2");
  const Layout other = *ParseLayout("compressed-tensors");
  EXPECT_EQ(CodesName(other, "w"), "w_packed");
  EXPECT_EQ(TensorScaleName(other, "w"), "w_global_scale");
  EXPECT_THAT(ParseLayout("x").status().message(),
              HasSubstr("take modelopt or compressed-tensors"));
}

TEST(FileRecordTest, EverythingElseIsRefused) {
  const std::string tensor =
      R"({"shape":[1],"axis":0,"recipe":"r","dtype":"F32"})";
  const auto with = [](const std::string& w) {
    return R"({"version":1,"layout":"modelopt","tensors":{"w":)" + w + "}}";
  };
  EXPECT_TRUE(ParseFileRecord("f", with(tensor)).ok());
  for (const std::string& bad : {
           std::string(),
           std::string("[]"),
           std::string("{"),
           std::string(100000, '['),
           std::string("{\"version\":\"\xFF\"}"),
           std::string(R"({"layout":"modelopt","tensors":{}})"),
           std::string(R"({"version":2,"layout":"modelopt","tensors":{}})"),
           std::string(R"({"version":1,"layout":"x","tensors":{}})"),
           std::string(R"({"version":1,"layout":7,"tensors":{}})"),
           std::string(R"({"version":1,"layout":"modelopt"})"),
           std::string(R"({"version":1,"layout":"modelopt","tensors":[]})"),
           with("3"),
           with("{}"),
           with(R"({"shape":[-1],"axis":0,"recipe":"r","dtype":"F32"})"),
           with(R"({"shape":[1.5],"axis":0,"recipe":"r","dtype":"F32"})"),
           with(R"({"shape":[18446744073709551615],"axis":0,)"
                R"("recipe":"r","dtype":"F32"})"),
           with(R"({"shape":1,"axis":0,"recipe":"r","dtype":"F32"})"),
           with(R"({"shape":[1],"axis":"0","recipe":"r","dtype":"F32"})"),
           with(R"({"shape":[1],"axis":0,"recipe":1,"dtype":"F32"})"),
           with(R"({"shape":[1],"axis":0,"recipe":"r"})"),
       }) {
    const auto record = ParseFileRecord("f", bad);
    EXPECT_FALSE(record.ok()) << bad;
    EXPECT_THAT(std::string(record.status().message()),
                StartsWith("f: metadata 'cnn_fp4': "));
  }
}

}  // namespace
}  // namespace cnn_fp4::fp4
