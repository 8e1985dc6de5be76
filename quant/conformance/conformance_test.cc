#include "quant/conformance/conformance.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "quant/recipe.h"

namespace cnn_fp4::quant {
namespace {

TEST(Conformance, EveryRecipeAgreesWithTheReference) {
  const auto rows = RunConformance(6000);
  std::set<std::string> recipes;
  for (const ConformanceRow& row : rows) {
    recipes.insert(row.recipe);
    EXPECT_GT(row.values, 1000) << row.recipe;
    EXPECT_EQ(row.mismatches, 0) << row.recipe << " " << row.implementation;
  }
  EXPECT_GT(recipes.size(), RecipeRegistry().size());
}

TEST(Conformance, Formats) {
  const std::vector<ConformanceRow> rows = {{"nvfp4", "cpu/AVX2", 12, 3}};
  EXPECT_NE(ToMarkdown(rows).find("| `nvfp4` | cpu/AVX2 | 12 | 3 |"),
            std::string::npos);
  const auto json = nlohmann::json::parse(ToJson(rows));
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["rows"][0]["mismatches"], 3);
}

}  // namespace
}  // namespace cnn_fp4::quant
