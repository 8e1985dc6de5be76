// What the two specifications of this package refuse, and in which words.

#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/spec.h"
#include "data/batch_spec.h"
#include "data/dataset_spec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The message of the Check after one field was set: "crop=0".
template <typename Spec>
std::string Error(const std::vector<std::string>& assignments) {
  Spec spec;
  for (const std::string& assignment : assignments) {
    const auto path = base::SetByPath(base::Fields(spec), assignment);
    EXPECT_TRUE(path.ok()) << path.status();
  }
  return std::string(Check(spec).message());
}

TEST(BatchSpecTest, RefusesByName) {
  EXPECT_EQ(Error<BatchSpec>({}), "");
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"batch_size=0"}, "batch_size is 0; it must be 1 to 65536"},
      {{"batch_size=4294967298"}, "batch_size is 4294967298;"},
      {{"crop=20000"}, "crop is 20000; it must be 1 to 16384"},
      {{"batch_size=60000", "crop=512"}, "batch_size and crop make a batch of"},
      {{"min_scale=2"}, "min_scale and max_scale are 2 and 1.25;"},
      {{"max_scale=17"}, "min_scale and max_scale are 0.8 and 17;"},
      {{"min_scale=0.01"}, "min_scale and max_scale are 0.01 and 1.25;"},
      {{"foreground_probability=1.5"}, "foreground_probability is 1.5;"},
      {{"foreground_probability=0.5", "augment=false"},
       "foreground_probability is a part of augmentation"},
      {{"mean=1e9"}, "mean is 1e+09;"},
      {{"stddev=0"}, "stddev is 0;"},
      {{"normalization=dataset"},
       "normalization is 'dataset'; known: constants, image"},
  };
  for (const auto& [assignments, message] : cases) {
    EXPECT_THAT(Error<BatchSpec>(assignments), StartsWith(message));
  }
}

TEST(BatchSpecTest, DropsTheLastIncompleteBatchUnlessItIsTheOnlyOne) {
  BatchSpec spec;
  EXPECT_EQ(BatchesPerEpoch(65, spec), 16);
  EXPECT_EQ(BatchesPerEpoch(4, spec), 1);
  EXPECT_EQ(BatchesPerEpoch(3, spec), 1);
}

TEST(DatasetSpecTest, RefusesByName) {
  EXPECT_EQ(Error<DatasetSpec>({}), "");
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"dataset=mvtec", "mvtec_subset=half"},
       "mvtec_subset 'half' is unknown; it is one of train, test, all"},
      {{"dataset=mvtec", "mvtec_labels=many"},
       "mvtec_labels 'many' is unknown; it is one of binary, per_defect"},
      {{"dataset=folder", "ignore_index=-2"}, "ignore_index -2 is no mask"},
      {{"dataset=folder", "ignore_index=65536"}, "ignore_index 65536 is no"},
      {{"dataset=folder", "class_names=a,a"}, "class_names has 'a' twice"},
      {{"dataset=folder", "class_names=a,b\nc"},
       "class_names has a name with a line break"},
      {{"dataset=synthetic", "synthetic_count=0"}, "synthetic_count is 0;"},
      {{"dataset=synthetic", "synthetic_size=15"},
       "synthetic_size is 15; it must be 16 to 4096"},
  };
  for (const auto& [assignments, message] : cases) {
    EXPECT_THAT(Error<DatasetSpec>(assignments), StartsWith(message));
  }
  DatasetSpec spec;
  spec.dataset = "folder";
  spec.class_names.assign(300, "");
  EXPECT_EQ(Check(spec).message(), "class_names has 300 names; at most 255");
}

// A field that the data set does not read would be ignored without a word.
TEST(DatasetSpecTest, RefusesFieldsOfOtherDataSets) {
  for (const char* assignment :
       {"category=screw", "mvtec_labels=per_defect", "mvtec_subset=all",
        "train_split=a", "val_split=a", "class_names=a,b", "ignore_index=0",
        "synthetic_count=3", "synthetic_size=64"}) {
    EXPECT_THAT(Error<DatasetSpec>({assignment}),
                HasSubstr("only; nuclei does not read it"))
        << assignment;
  }
  EXPECT_EQ(Error<DatasetSpec>({"dataset=coco", "train_split=a", "val_split=b",
                                "class_names=cat"}),
            "");
  EXPECT_EQ(Error<DatasetSpec>({"dataset=mvtec", "category=screw",
                                "mvtec_labels=per_defect", "mvtec_subset=all"}),
            "");
}

}  // namespace
}  // namespace cnn_fp4::data
