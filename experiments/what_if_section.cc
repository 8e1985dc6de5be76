#include "experiments/what_if_section.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/table.h"
#include "telemetry/statistics.h"
#include "viz/html_table.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

using telemetry::StatId;
using telemetry::TensorKind;

constexpr std::pair<TensorKind, StatId> kColumns[] = {
    {TensorKind::kActivations, StatId::kSqnrDb},
    {TensorKind::kActivations, StatId::kUnderflowPct},
    {TensorKind::kWeightsQuantized, StatId::kSqnrDb},
    {TensorKind::kWeightsQuantized, StatId::kUnderflowPct},
    {TensorKind::kGradients, StatId::kSqnrDb},
    {TensorKind::kGradients, StatId::kUnderflowPct},
};

// The mean over the layers that have the number; what is not finite is left
// out, and a cell stays empty where nothing is left.
base::Cell Mean(const std::vector<const LayerNumbers*>& layers, TensorKind kind,
                StatId id) {
  double sum = 0;
  int count = 0;
  for (const LayerNumbers* const layer : layers) {
    const std::optional<double> value = FindFinite(*layer, kind, id);
    if (!value.has_value()) continue;
    sum += *value;
    ++count;
  }
  return count == 0 ? base::Cell("") : base::Cell(sum / count, 1);
}

void AddRow(const std::string& name,
            const std::vector<const LayerNumbers*>& layers,
            base::Table* table) {
  std::vector<base::Cell> row = {name};
  for (const auto& [kind, id] : kColumns) row.push_back(Mean(layers, kind, id));
  table->AddRow(std::move(row));
}

std::string ArmTable(const ReportArm& arm) {
  std::set<std::string> recipes;
  std::vector<const LayerNumbers*> in_use;
  bool quantizes = false;
  for (const auto& [name, layer] : arm.layers) {
    in_use.push_back(&layer.last);
    const auto activations = layer.last.find(TensorKind::kActivations);
    quantizes = quantizes || (activations != layer.last.end() &&
                              activations->second.count(StatId::kSqnrDb) > 0);
    for (const auto& [recipe, numbers] : layer.what_if) recipes.insert(recipe);
  }
  if (recipes.empty()) return "";
  base::Table table({"recipe", "activations, SQNR in dB", "underflow in %",
                     "weights, SQNR in dB", "underflow in %",
                     "gradients, SQNR in dB", "underflow in %"});
  if (quantizes) AddRow("what is in use", in_use, &table);
  for (const std::string& recipe : recipes) {
    std::vector<const LayerNumbers*> layers;
    for (const auto& [name, layer] : arm.layers) {
      const auto found = layer.what_if.find(recipe);
      if (found != layer.what_if.end()) layers.push_back(&found->second);
    }
    AddRow(recipe, layers, &table);
  }
  return viz::HtmlTable(table);
}

}  // namespace

std::string WhatIfSection(const ReportArms& arms,
                          const std::vector<std::string>& order) {
  std::string tables;
  for (const std::string& name : order) {
    const auto arm = arms.find(name);
    if (arm == arms.end()) continue;
    const std::string table = ArmTable(arm->second);
    if (table.empty()) continue;
    absl::StrAppend(&tables, "<h3>", viz::EscapeHtml(name), "</h3>\n", table);
  }
  if (tables.empty()) return "";
  return absl::StrCat(
      "<h2>What other recipes would do</h2>\n<p>Means over the layers at the "
      "last recorded step, of the same tensors. The blocks of a recipe lie "
      "along the axis that the forward pass sums over; those in use may lie "
      "otherwise, and an arm's plain layers are in the rows of the recipes "
      "only.</p>\n",
      tables);
}

}  // namespace cnn_fp4::experiments
