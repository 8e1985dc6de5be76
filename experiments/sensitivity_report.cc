#include "experiments/sensitivity_report.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/atomic_file.h"
#include "base/json_number.h"
#include "experiments/numbers_page.h"
#include "nlohmann/json.hpp"
#include "viz/html_table.h"
#include "viz/html_text.h"
#include "viz/interval_plot.h"

namespace cnn_fp4::experiments {
namespace {

// Metrics keep their order.
using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;
constexpr int kDigits = 4;

std::string Rounded(double value) { return base::Cell(value, kDigits).text(); }

Json Number(double value) {
  return Json::parse(base::NumberToJson(value).dump());
}

// Operands that have trials of their own, in the order of the first layer.
std::vector<std::string> OperandsOf(const Sensitivity& sensitivity) {
  std::vector<std::string> operands;
  for (const Effect& effect : sensitivity.effects) {
    if (effect.trial.kind == TrialKind::kOperand &&
        !absl::c_linear_search(operands, effect.trial.operand)) {
      operands.push_back(effect.trial.operand);
    }
  }
  return operands;
}

const Effect* Find(const Sensitivity& sensitivity, TrialKind kind,
                   const std::string& layer, const std::string& operand = "") {
  for (const Effect& effect : sensitivity.effects) {
    if (effect.trial.kind == kind && effect.trial.layer == layer &&
        effect.trial.operand == operand) {
      return &effect;
    }
  }
  return nullptr;
}

void AddEffect(const Effect* effect, std::vector<base::Cell>& row) {
  if (effect == nullptr) {
    row.insert(row.end(), 3, "");
    return;
  }
  row.emplace_back(effect->difference, kDigits);
  for (const bool high : {false, true}) {
    if (!effect->interval.has_value()) {
      row.emplace_back("");
    } else {
      row.emplace_back(high ? effect->interval->high : effect->interval->low,
                       kDigits);
    }
  }
}

base::Table AllGradients(const Sensitivity& sensitivity) {
  return GradientsTable(sensitivity, sensitivity.gradients.size());
}

std::string LineWithExceptions(const Sensitivity& sensitivity) {
  return Spare(sensitivity.plan, sensitivity.exceptions);
}

// Paragraphs: what one has to know to read the tables.
std::vector<std::string> Notes(const Sensitivity& sensitivity) {
  const SensitivityPlan& plan = sensitivity.plan;
  const bool trained = sensitivity.way == "training";
  std::vector<std::string> notes = {absl::StrCat(
      "Alone: ", plan.reference, " with this layer as in ", plan.policy,
      ", less ", plan.reference, ". Spared: ", plan.policy,
      " with this layer in ", plan.reference, ", less ", plan.policy,
      ". An operand: ", plan.reference,
      " with this operand of this layer in FP4, less ", plan.reference, ".")};
  const std::string percent = absl::StrFormat("%g", 100 * kConfidence);
  notes.push_back(
      trained
          ? absl::StrCat(
                "Each policy was trained from the same weights on the same "
                "batches, once for each seed. The interval is that of the mean "
                "paired difference: ",
                percent,
                " %, Student's distribution, without a correction for the "
                "number of layers.")
          : absl::StrCat(
                "The weights are those of one trained net, and no policy was "
                "trained: backward operands change nothing here. The interval "
                "is the jackknife's over the validation images, ",
                percent,
                " %, Student's distribution: how far another sample of images "
                "would move these numbers, not what another training would."));
  if (!sensitivity.gradients.empty()) {
    notes.push_back(
        "A cosine compares dx or dw of one layer with that operand quantised "
        "to FP32's, both computed from the x, w and dy of the net in BF16 on "
        "training batches; 1 means that the direction is kept.");
  }
  if (!plan.left_out.empty()) {
    notes.push_back(absl::StrCat(
        "Operands whose format cannot be given to them alone have no row: ",
        absl::StrJoin(plan.left_out, ", "), "."));
  }
  return notes;
}

std::string Figure(const Sensitivity& sensitivity, TrialKind kind,
                   const std::string& title, const std::string& description) {
  viz::IntervalPlot plot{title, description, {}};
  for (const Effect& effect : Ranked(sensitivity, kind)) {
    viz::IntervalRow row{
        effect.trial.layer, effect.difference, {}, {}, effect.pairs};
    if (effect.interval.has_value()) {
      row.low = effect.interval->low;
      row.high = effect.interval->high;
    }
    plot.rows.push_back(std::move(row));
  }
  return absl::StrCat("<h2>", viz::EscapeHtml(title), "</h2>\n",
                      viz::IntervalPlotSvg(plot), "<p class=\"sub\">",
                      viz::EscapeHtml(description), "</p>\n");
}

std::string Html(const Sensitivity& sensitivity, absl::string_view config) {
  const std::string& metric = sensitivity.metric.title;
  std::string body = absl::StrCat(
      Figure(sensitivity, TrialKind::kAlone,
             absl::StrCat(metric, ": one layer alone in FP4"),
             absl::StrCat("Change against ", sensitivity.plan.reference,
                          "; the layer that costs most is first.")),
      Figure(sensitivity, TrialKind::kSpared,
             absl::StrCat(metric, ": one layer spared"),
             absl::StrCat("Change against ", sensitivity.plan.policy,
                          "; the layer whose sparing helps most is first.")),
      "<h2>Layers</h2>\n", viz::HtmlTable(LayersTable(sensitivity)));
  if (!sensitivity.gradients.empty()) {
    absl::StrAppend(&body, "<h2>Gradients</h2>\n",
                    viz::HtmlTable(AllGradients(sensitivity)));
  }
  absl::StrAppend(&body, "<h2>How the numbers came about</h2>\n");
  for (const std::string& note : Notes(sensitivity)) {
    absl::StrAppend(&body, "<p>", viz::EscapeHtml(note), "</p>\n");
  }
  return NumbersPage("Which layer, which operand", Conclusion(sensitivity),
                     body, config);
}

std::string Markdown(const Sensitivity& sensitivity) {
  std::string text =
      absl::StrCat("# Which layer, which operand\n\n", Conclusion(sensitivity),
                   "\n\n", LayersTable(sensitivity).ToMarkdown());
  if (!sensitivity.gradients.empty()) {
    absl::StrAppend(&text, "\n", AllGradients(sensitivity).ToMarkdown());
  }
  return absl::StrCat(text, "\n", absl::StrJoin(Notes(sensitivity), "\n\n"),
                      "\n");
}

Json EffectJson(const Effect& effect) {
  Json json = {{"kind", NameOf(effect.trial.kind)},
               {"layer", effect.trial.layer},
               {"policy", effect.trial.policy},
               {"value", Number(effect.value)},
               {"difference", Number(effect.difference)}};
  if (!effect.trial.operand.empty()) json["operand"] = effect.trial.operand;
  if (effect.interval.has_value()) {
    json["low"] = Number(effect.interval->low);
    json["high"] = Number(effect.interval->high);
  }
  if (!effect.pairs.empty()) json["pairs"] = effect.pairs;
  return json;
}

std::string ToJson(const Sensitivity& sensitivity, absl::string_view config) {
  const SensitivityPlan& plan = sensitivity.plan;
  Json effects = Json::array(), gradients = Json::array();
  for (const Effect& effect : sensitivity.effects) {
    effects.push_back(EffectJson(effect));
  }
  for (const train::GradientFidelity& row : sensitivity.gradients) {
    Json cosines = Json::array();
    for (const double cosine : row.cosines) cosines.push_back(Number(cosine));
    gradients.push_back({{"layer", row.layer},
                         {"operand", row.operand},
                         {"gradient", row.gradient},
                         {"cosines", std::move(cosines)}});
  }
  std::vector<std::string> ranking;
  for (const Effect& effect : Ranked(sensitivity, TrialKind::kAlone)) {
    ranking.push_back(effect.trial.layer);
  }
  const Json json = {
      {"schema_version", kSchemaVersion},
      {"way", sensitivity.way},
      {"metric",
       {{"key", sensitivity.metric.key},
        {"title", sensitivity.metric.title},
        {"higher_is_better", sensitivity.metric.higher_is_better}}},
      {"reference",
       {{"policy", plan.reference},
        {"value", Number(sensitivity.metric.value)}}},
      {"policy",
       {{"policy", plan.policy}, {"value", Number(sensitivity.policy_value)}}},
      {"ranking", ranking},
      {"effects", std::move(effects)},
      {"gradients", std::move(gradients)},
      {"fewest_exceptions",
       {{"layers", sensitivity.exceptions},
        {"policy", LineWithExceptions(sensitivity)},
        {"value", Number(sensitivity.value_with_exceptions)},
        {"within_tolerance", sensitivity.within_tolerance},
        {"tolerance", sensitivity.tolerance}}},
      {"confidence", kConfidence},
      {"left_out", plan.left_out},
      {"config", Json::parse(config)},
  };
  return json.dump(2) + "\n";
}

}  // namespace

base::Table LayersTable(const Sensitivity& sensitivity) {
  const std::string percent = absl::StrFormat("%g %%", 100 * kConfidence);
  std::vector<std::string> columns = {"layer"};
  for (const char* kind : {"alone", "spared"}) {
    columns.push_back(absl::StrCat(sensitivity.metric.title, " ", kind));
    columns.push_back(percent + " from");
    columns.push_back("to");
  }
  const std::vector<std::string> operands = OperandsOf(sensitivity);
  columns.insert(columns.end(), operands.begin(), operands.end());
  base::Table table(columns);
  for (const Effect& alone : Ranked(sensitivity, TrialKind::kAlone)) {
    const std::string& layer = alone.trial.layer;
    std::vector<base::Cell> row = {layer};
    AddEffect(&alone, row);
    AddEffect(Find(sensitivity, TrialKind::kSpared, layer), row);
    for (const std::string& operand : operands) {
      const Effect* const effect =
          Find(sensitivity, TrialKind::kOperand, layer, operand);
      row.push_back(effect == nullptr
                        ? base::Cell("")
                        : base::Cell(effect->difference, kDigits));
    }
    table.AddRow(std::move(row));
  }
  return table;
}

base::Table GradientsTable(const Sensitivity& sensitivity, size_t max_rows) {
  std::vector<std::pair<double, const train::GradientFidelity*>> rows;
  for (const train::GradientFidelity& row : sensitivity.gradients) {
    rows.emplace_back(*SummarizeSample(row.cosines).mean, &row);
  }
  absl::c_stable_sort(
      rows, [](const auto& a, const auto& b) { return a.first < b.first; });
  rows.resize(std::min(rows.size(), max_rows));
  base::Table table({"layer", "operand", "gradient", "cosine", "lowest"});
  for (const auto& [mean, row] : rows) {
    table.AddRow({row->layer,
                  row->operand,
                  row->gradient,
                  {mean, kDigits},
                  {*absl::c_min_element(row->cosines), kDigits}});
  }
  return table;
}

std::string Conclusion(const Sensitivity& sensitivity) {
  const SensitivityPlan& plan = sensitivity.plan;
  const std::string& title = sensitivity.metric.title;
  std::string text = absl::StrCat(
      title, " of ", plan.reference, ": ", Rounded(sensitivity.metric.value),
      "; of ", plan.policy, ": ", Rounded(sensitivity.policy_value), ". ");
  const std::string percent =
      absl::StrFormat("%g %%", 100 * sensitivity.tolerance);
  if (!sensitivity.within_tolerance) {
    return absl::StrCat(text, "No choice of layers to spare brings it within ",
                        percent, " of ", plan.reference,
                        "; with every layer spared it has ",
                        Rounded(sensitivity.value_with_exceptions), ".");
  }
  if (sensitivity.exceptions.empty()) {
    return absl::StrCat(text, "It is within ", percent, " of ", plan.reference,
                        " without an exception.");
  }
  return absl::StrCat(text, "With the fewest exceptions that were found it is ",
                      "within ", percent, " of ", plan.reference, ": ",
                      LineWithExceptions(sensitivity), ", with ",
                      Rounded(sensitivity.value_with_exceptions), ".");
}

absl::Status WriteSensitivity(const Sensitivity& sensitivity,
                              absl::string_view config,
                              const std::string& directory) {
  const std::string stem = directory + "/sensitivity";
  absl::Status status =
      base::WriteFileAtomically(stem + ".json", ToJson(sensitivity, config));
  status.Update(base::WriteFileAtomically(stem + ".md", Markdown(sensitivity)));
  status.Update(
      base::WriteFileAtomically(stem + ".html", Html(sensitivity, config)));
  return status;
}

}  // namespace cnn_fp4::experiments
