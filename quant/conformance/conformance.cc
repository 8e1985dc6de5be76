#include "quant/conformance/conformance.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"
#include "quant/cpu/instruction_sets.h"
#include "quant/formats/host_device.h"
#include "quant/quantizer.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant {
namespace {

constexpr int64_t kSlowdownOfBestOf126 = 30;

// Half of the values have BF16's precision, so that ties come up; magnitudes
// span tens of binary orders from block to block.
std::vector<float> Values(int64_t n) {
  std::mt19937 engine(2024);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  float amplitude = 1.0f;
  for (int64_t i = 0; i < n; ++i) {
    if (i % 48 == 0) amplitude = std::exp(3.0f * normal(engine));
    x[i] = amplitude * normal(engine);
    if (i / 8 % 2 == 0) {
      x[i] = BitCast<float>(BitCast<uint32_t>(x[i]) & 0xFFFF0000u);
    }
    if (engine() % 32 == 0) x[i] = std::copysign(0.0f, x[i]);
  }
  return x;
}

template <class T>
int64_t Mismatches(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) {
    return static_cast<int64_t>(std::max(a.size(), b.size()));
  }
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if constexpr (std::is_same_v<T, float>) {
      count += BitCast<uint32_t>(a[i]) != BitCast<uint32_t>(b[i]);
    } else {
      count += a[i] != b[i];
    }
  }
  return count;
}

struct Layout {
  std::vector<int64_t> shape;
  int axis;
};

// Along memory with a short last block, across it, and a short inner extent.
std::vector<Layout> Layouts(int64_t elements) {
  const int64_t third = std::max<int64_t>(1, elements / 3);
  return {{{1 + third / 1000, 1000}, 1},
          {{1 + third / (40 * 72), 40, 72}, 1},
          {{1 + third / (64 * 9), 64, 3, 3}, 1}};
}

void Compare(const Recipe& recipe, const Layout& layout,
             const std::vector<cpu::InstructionSet>& sets,
             std::vector<ConformanceRow>& rows) {
  const BlockGrid grid =
      BlockGrid::Along(layout.shape, layout.axis, recipe).value();
  const std::vector<float> x = Values(grid.size());
  QuantizeOptions options;
  options.seed = 1;
  const auto expected = reference::Quantize(recipe, grid, x, options);
  CHECK(expected.ok()) << expected.status();
  for (size_t i = 0; i < sets.size(); ++i) {
    cpu::UseInstructionSet(sets[i].id);
    std::vector<float> y(x.size());
    const absl::Status status =
        FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options);
    const auto packed = Quantize(recipe, grid, x, options);
    CHECK(status.ok() && packed.ok()) << status << packed.status();
    const PackedTensor& want = expected->packed;
    ConformanceRow& row = rows[i];
    row.values += 2 * static_cast<int64_t>(x.size()) + grid.num_blocks();
    row.mismatches += Mismatches(expected->values, y) +
                      Mismatches(want.codes, packed->codes) +
                      Mismatches(want.scales, packed->scales) +
                      Mismatches(want.scales_float32, packed->scales_float32) +
                      Mismatches(want.tensor_scales, packed->tensor_scales);
  }
  cpu::UseInstructionSet(0);
}

std::vector<Recipe> Recipes() {
  std::vector<Recipe> recipes;
  for (const NamedRecipe& named : RecipeRegistry()) {
    recipes.push_back(named.recipe);
  }
  for (const char* name :
       {"nvfp4+ties_away", "nvfp4+ties_to_zero", "nvfp4+sr8", "nvfp4+sr",
        "nvfp4+sr_unbiased", "nvfp4_four_over_six+sr8", "mxfp4+sr8",
        "pow2_1x16+ties_away", "nvfp4+rht"}) {
    recipes.push_back(FindRecipe(name).value());
  }
  return recipes;
}

}  // namespace

std::vector<ConformanceRow> RunConformance(int64_t elements) {
  const std::vector<cpu::InstructionSet> sets = cpu::SupportedInstructionSets();
  std::vector<ConformanceRow> all;
  for (const Recipe& recipe : Recipes()) {
    std::vector<ConformanceRow> rows;
    for (const cpu::InstructionSet& set : sets) {
      rows.push_back({recipe.name, absl::StrCat("cpu/", set.name), 0, 0});
    }
    const bool slow = recipe.scale_rule == ScaleRule::kBestOf126;
    for (const Layout& layout :
         Layouts(slow ? elements / kSlowdownOfBestOf126 : elements)) {
      // The transform takes whole groups.
      if (recipe.hadamard && layout.shape[layout.axis] % 16 != 0) continue;
      Compare(recipe, layout, sets, rows);
    }
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

std::string ToMarkdown(const std::vector<ConformanceRow>& rows) {
  std::string text =
      "| recipe | implementation | values compared | mismatches |\n"
      "|---|---|---:|---:|\n";
  for (const ConformanceRow& row : rows) {
    absl::StrAppend(&text, "| `", row.recipe, "` | ", row.implementation, " | ",
                    row.values, " | ", row.mismatches, " |\n");
  }
  return text;
}

std::string ToJson(const std::vector<ConformanceRow>& rows) {
  nlohmann::ordered_json json;
  json["schema_version"] = 1;
  json["rows"] = nlohmann::ordered_json::array();
  for (const ConformanceRow& row : rows) {
    json["rows"].push_back({{"recipe", row.recipe},
                            {"implementation", row.implementation},
                            {"values", row.values},
                            {"mismatches", row.mismatches}});
  }
  return json.dump(2) + "\n";
}

}  // namespace cnn_fp4::quant
