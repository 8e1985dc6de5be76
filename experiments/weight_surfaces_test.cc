#include "experiments/weight_surfaces.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "viz/plotly_script.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WeightSurfacesTest : public ::testing::Test {
 protected:
  WeightSurfacesTest() : root_(fs::path(::testing::TempDir()) / "runs") {
    fs::remove_all(root_);
    fs::create_directories(root_ / "train" / "one");
  }

  std::string Write(const ReportArms& arms) const {
    const auto lacking =
        WriteWeightSurfaces("a <b>", arms, {"fp16", "nvfp4"},
                            RunDirectory((root_ / "train" / "one").string()));
    EXPECT_TRUE(lacking.ok()) << lacking.status();
    return *lacking;
  }

  std::string Page() const {
    std::ifstream in(root_ / "train" / "one" / kSurfacesFile);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const fs::path root_;
};

telemetry::WeightSample Sample(int64_t step) {
  return {step,          "enc1",        2, 4, 1, 2, {1, 2, 3, 4},
          {2, 4, 15, 0}, {1, 1, .5, .5}};
}

TEST_F(WeightSurfacesTest, ThereIsNoPageWithoutWeights) {
  ReportArms arms;
  arms["fp16"].At("enc1");
  EXPECT_EQ(Write(arms), "");
  EXPECT_FALSE(fs::exists(root_ / "train" / "one" / "plots"));
}

TEST_F(WeightSurfacesTest, HasEachStepOfEachLayer) {
  ReportArms arms;
  arms["fp16"].At("enc1");
  arms["nvfp4"].At("enc0");
  arms["nvfp4"].At("enc1").weights = {Sample(1), Sample(40)};
  const std::string lacking = Write(arms);
  if (!viz::HasPlotly()) {
    EXPECT_THAT(lacking, HasSubstr("without plotly.js"));
    EXPECT_EQ(Page(), "");
    GTEST_SKIP() << "this is built without plotly.js";
  }
  EXPECT_EQ(lacking, "");
  const std::string page = Page();
  EXPECT_THAT(page, AllOf(HasSubstr("<title>a &lt;b&gt;: weights"),
                          HasSubstr("<script src=\"../../../../plotly-"),
                          Not(HasSubstr("{{")), Not(HasSubstr("http"))));
  const std::string begin = "id=\"data\">";
  const size_t at = page.find(begin) + begin.size();
  const auto data =
      nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
  const std::string script = data["script"];
  EXPECT_TRUE(
      fs::exists(root_ / "train" / "one" / "plots" / "surfaces" / script));
  ASSERT_EQ(data["arms"].size(), 1u);
  EXPECT_EQ(data["arms"][0]["name"], "nvfp4");
  ASSERT_EQ(data["arms"][0]["layers"].size(), 1u);
  const nlohmann::json& layer = data["arms"][0]["layers"][0];
  EXPECT_EQ(layer["name"], "enc1");
  EXPECT_EQ(layer["rows"], 2);
  EXPECT_EQ(layer["columns"], 2);
  EXPECT_EQ(layer["column_stride"], 2);
  EXPECT_EQ(layer["thinning"], "every 2nd of 4 places");
  ASSERT_EQ(layer["samples"].size(), 2u);
  EXPECT_EQ(layer["samples"][1]["step"], 40);
  const auto bytes = [&layer](const char* key) {
    std::string decoded;
    EXPECT_TRUE(absl::Base64Unescape(
        layer["samples"][1][key].get<std::string>(), &decoded));
    return decoded;
  };
  EXPECT_EQ(bytes("codes"), std::string("\x02\x04\x0f\x00", 4));
  // Float32 1 and 0.5, once each.
  EXPECT_EQ(bytes("scales"), std::string("\0\0\x80\x3f\0\0\0\x3f", 8));
  EXPECT_EQ(bytes("scale_of"), std::string("\0\0\0\0\1\0\1\0", 8));
  EXPECT_EQ(bytes("values").substr(4, 4), std::string("\0\0\0\x40", 4));
}

}  // namespace
}  // namespace cnn_fp4::experiments
