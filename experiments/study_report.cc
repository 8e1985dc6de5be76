#include "experiments/study_report.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "base/json_number.h"
#include "experiments/numbers_page.h"
#include "nlohmann/json.hpp"
#include "telemetry/statistics.h"
#include "train/metric.h"
#include "viz/html_table.h"
#include "viz/html_text.h"
#include "viz/interval_plot.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
// Metrics keep their order.
using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;
constexpr int kDigits = 4;
constexpr char kLayers[] =
    "Quantisation at the last measured step, as means over the layers in FP4 "
    "and the seeds";

size_t TotalCells(const StudyResult& result) {
  return result.spec.seeds.size() * result.spec.experiment.arms.size();
}

bool Complete(const StudyResult& result) {
  return result.cells.size() == TotalCells(result);
}

// "10 of 10 cells", with a warning where some are missing.
std::string Completeness(const StudyResult& result) {
  return absl::StrCat(
      Complete(result) ? "" : "Incomplete: ", result.cells.size(), " of ",
      TotalCells(result), " cells are done.");
}

std::string Title(const train::Metric& metric) {
  return metric.unit.empty()
             ? metric.title
             : absl::StrCat(metric.title, " (", metric.unit, ")");
}

std::string MeanAndDeviation(const SampleSummary& sample, int digits) {
  if (!sample.mean.has_value()) return "";
  std::string text = base::Cell(*sample.mean, digits).text();
  if (sample.standard_deviation.has_value()) {
    absl::StrAppend(&text, " ± ",
                    base::Cell(*sample.standard_deviation, digits).text());
  }
  return text;
}

base::Cell ToCell(const std::optional<double>& value) {
  return value.has_value() ? base::Cell(*value, kDigits) : base::Cell("");
}

// Whether there is something to compare with the first arm.
bool Compares(const StudyStatistics& statistics) {
  return statistics.arms.size() > 1;
}

std::string Machines(const StudyStatistics& statistics) {
  std::string text =
      absl::StrCat("on ", absl::StrJoin(statistics.cpus, "; "), " (device ",
                   absl::StrJoin(statistics.devices, ", "));
  if (!statistics.threads.empty()) {
    absl::StrAppend(&text, ", threads ",
                    absl::StrJoin(statistics.threads, ", "));
  }
  return text + ")";
}

// What a difference and its interval are.
std::string Method(const StudyResult& result) {
  return absl::StrCat(
      "A difference is an arm's value less that of ",
      result.spec.experiment.arms[0],
      " within a pair: two cells of one seed, trained on the same CPU model "
      "and "
      "device with the same number of threads. The interval is mean ± t × "
      "standard deviation / √n, where n is the number of pairs and t the "
      "two-sided ",
      absl::StrFormat("%g", 100 * kConfidence),
      " % quantile of Student's distribution with n - 1 degrees of freedom; "
      "one "
      "pair has none. It takes the differences for independent and normal, and "
      "no correction is made for the number of arms and metrics.");
}

// Paragraphs: what one has to know to read the tables.
std::vector<std::string> Notes(const StudyResult& result,
                               const StudyStatistics& statistics) {
  std::vector<std::string> notes = {absl::StrCat(
      "Seeds: ", absl::StrJoin(result.spec.seeds, ", "),
      ". Every arm of a seed begins with the same weights and sees the same "
      "batches. Scores are those of the last validation, as mean ± standard "
      "deviation (divisor n - 1) over the seeds.")};
  if (Compares(statistics)) notes.push_back(Method(result));
  if (result.cells.empty()) return notes;
  notes.push_back(absl::StrCat(
      "Training took ",
      absl::FormatDuration(absl::Trunc(absl::Seconds(statistics.train_seconds),
                                       absl::Seconds(1))),
      " in all, ", Machines(statistics),
      ". Git revisions: ", absl::StrJoin(statistics.git_revisions, ", "), "."));
  return notes;
}

void PutIfThere(const char* key, const std::optional<double>& value,
                Json& object) {
  if (!value.has_value()) return;
  object[key] = Json::parse(base::NumberToJson(value).dump());
}

Json SampleJson(const SampleSummary& sample) {
  Json object = {{"n", sample.n}};
  PutIfThere("mean", sample.mean, object);
  PutIfThere("standard_deviation", sample.standard_deviation, object);
  return object;
}

Json DifferenceJson(const PairedDifference& difference) {
  Json object = SampleJson(difference.summary);
  if (difference.interval.has_value()) {
    PutIfThere("low", difference.interval->low, object);
    PutIfThere("high", difference.interval->high, object);
  }
  Json pairs = Json::array();
  for (const Pair& pair : difference.pairs) {
    Json entry = {{"seed", pair.seed}};
    PutIfThere("difference", pair.difference, entry);
    pairs.push_back(std::move(entry));
  }
  object["pairs"] = std::move(pairs);
  return object;
}

Json ArmJson(const ArmStatistics& arm, const StudyStatistics& statistics) {
  Json metrics = Json::object();
  for (size_t i = 0; i < statistics.metrics.size(); ++i) {
    Json metric = SampleJson(arm.metrics[i].values);
    if (arm.metrics[i].difference.has_value()) {
      metric["difference_to_first_arm"] =
          DifferenceJson(*arm.metrics[i].difference);
    }
    metrics[statistics.metrics[i].key] = std::move(metric);
  }
  Json layer_means = Json::object();
  for (const auto& [key, mean] : arm.layer_means) {
    layer_means[key] = SampleJson(mean);
  }
  return {{"policy", arm.policy},
          {"seeds", arm.seeds},
          {"metrics", std::move(metrics)},
          {"layer_means", std::move(layer_means)},
          {"train_seconds", SampleJson(arm.train_seconds)}};
}

Json MetricsJson(const StudyStatistics& statistics) {
  Json metrics = Json::object();
  for (const train::Metric& metric : statistics.metrics) {
    metrics[metric.key] = {{"title", metric.title},
                           {"unit", metric.unit},
                           {"higher_is_better", metric.higher_is_better},
                           {"headline", metric.headline}};
  }
  return metrics;
}

// Of the headline metric; empty before there is one.
std::string FigureHtml(const StudyResult& result,
                       const StudyStatistics& statistics) {
  const train::Metric* const headline = train::Headline(statistics.metrics);
  if (headline == nullptr || !Compares(statistics)) return "";
  const size_t index = headline - statistics.metrics.data();
  viz::IntervalPlot plot;
  plot.title = absl::StrCat(Title(*headline), " less that of ",
                            result.spec.experiment.arms[0]);
  plot.description = absl::StrCat(
      "Mean paired difference of each arm with its ",
      absl::StrFormat("%g", 100 * kConfidence),
      " % interval; rings are single pairs, the dark line is zero.");
  for (size_t i = 1; i < statistics.arms.size(); ++i) {
    const PairedDifference& difference =
        *statistics.arms[i].metrics[index].difference;
    viz::IntervalRow row;
    row.label = statistics.arms[i].policy;
    row.center = difference.summary.mean;
    if (difference.interval.has_value()) {
      row.low = difference.interval->low;
      row.high = difference.interval->high;
    }
    for (const Pair& pair : difference.pairs) {
      row.values.push_back(pair.difference);
    }
    plot.rows.push_back(std::move(row));
  }
  return absl::StrCat("<h2>", viz::EscapeHtml(plot.title), "</h2>\n",
                      viz::IntervalPlotSvg(plot), "<p class=\"sub\">",
                      viz::EscapeHtml(plot.description), "</p>\n");
}

std::string DifferencesHtml(const StudyStatistics& statistics) {
  if (!Compares(statistics)) return "";
  return absl::StrCat("<h2>Paired differences to the first arm</h2>\n",
                      viz::HtmlTable(DifferencesTable(statistics)));
}

std::string LayersHtml(const StudyStatistics& statistics) {
  const base::Table layers = LayersTable(statistics);
  if (layers.rows().empty()) return "";
  return absl::StrCat("<h2>", kLayers, "</h2>\n", viz::HtmlTable(layers));
}

}  // namespace

StudyStatistics Summarize(const StudyResult& result) {
  std::vector<ArmRecord> records;
  for (const FoundRecord& cell : result.cells) records.push_back(cell.record);
  return Summarize(result.spec.experiment.arms, records);
}

base::Table ArmsTable(const StudyStatistics& statistics) {
  std::vector<std::string> columns = {"arm", "cells"};
  for (const train::Metric& metric : statistics.metrics) {
    columns.push_back(Title(metric));
  }
  columns.push_back("training, s");
  base::Table table(columns);
  for (const ArmStatistics& arm : statistics.arms) {
    std::vector<base::Cell> row = {arm.policy,
                                   {static_cast<double>(arm.seeds.size()), 0}};
    for (const MetricStatistics& metric : arm.metrics) {
      row.push_back(MeanAndDeviation(metric.values, kDigits));
    }
    row.push_back(MeanAndDeviation(arm.train_seconds, 1));
    table.AddRow(std::move(row));
  }
  return table;
}

base::Table DifferencesTable(const StudyStatistics& statistics) {
  const std::string percent = absl::StrFormat("%g %%", 100 * kConfidence);
  base::Table table({"metric", "arm", "pairs", "mean", "std. dev.",
                     percent + " from", percent + " to"});
  for (size_t m = 0; m < statistics.metrics.size(); ++m) {
    for (size_t i = 1; i < statistics.arms.size(); ++i) {
      const PairedDifference& difference =
          *statistics.arms[i].metrics[m].difference;
      const std::optional<Interval>& interval = difference.interval;
      table.AddRow(
          {Title(statistics.metrics[m]),
           statistics.arms[i].policy,
           {static_cast<double>(difference.summary.n), 0},
           ToCell(difference.summary.mean),
           ToCell(difference.summary.standard_deviation),
           interval.has_value() ? ToCell(interval->low) : base::Cell(""),
           interval.has_value() ? ToCell(interval->high) : base::Cell("")});
    }
  }
  return table;
}

base::Table LayersTable(const StudyStatistics& statistics) {
  std::vector<const telemetry::StatInfo*> shown;
  std::vector<std::string> columns = {"tensors", "arm"};
  for (const telemetry::StatInfo& info : telemetry::Statistics()) {
    const bool has =
        absl::c_any_of(statistics.arms, [&](const ArmStatistics& arm) {
          return absl::c_any_of(arm.layer_means, [&](const auto& mean) {
            return absl::StartsWith(mean.first, absl::StrCat(info.key, "/"));
          });
        });
    if (!has) continue;
    shown.push_back(&info);
    columns.push_back(info.unit.empty()
                          ? std::string(info.title)
                          : absl::StrCat(info.title, ", ", info.unit));
  }
  base::Table table(columns);
  for (const telemetry::TensorKindInfo& kind : telemetry::TensorKinds()) {
    for (const ArmStatistics& arm : statistics.arms) {
      std::vector<base::Cell> row = {kind.title, arm.policy};
      for (const telemetry::StatInfo* const info : shown) {
        const auto mean =
            arm.layer_means.find(absl::StrCat(info->key, "/", kind.directory));
        row.push_back(mean == arm.layer_means.end()
                          ? base::Cell("")
                          : base::Cell(*mean->second.mean, 2));
      }
      if (absl::c_any_of(
              absl::MakeSpan(row).subspan(2),
              [](const base::Cell& cell) { return cell.is_number(); })) {
        table.AddRow(std::move(row));
      }
    }
  }
  return table;
}

std::string StudyJson(const StudyResult& result, const std::string& directory) {
  const StudyStatistics statistics = Summarize(result);
  Json arms = Json::array();
  for (const ArmStatistics& arm : statistics.arms) {
    arms.push_back(ArmJson(arm, statistics));
  }
  Json cells = Json::array();
  for (const FoundRecord& cell : result.cells) {
    Json entry = Json::parse(ToJson(cell.record));
    entry["path"] =
        fs::path(cell.path).lexically_proximate(directory).generic_string();
    cells.push_back(std::move(entry));
  }
  const Json study = {
      {"schema_version", kSchemaVersion},
      {"study", result.name},
      {"complete", Complete(result)},
      {"cells_done", result.cells.size()},
      {"cells_total", TotalCells(result)},
      {"config", Json::parse(ToJson(result.spec))},
      {"first_arm", result.spec.experiment.arms[0]},
      {"confidence", kConfidence},
      {"metrics", MetricsJson(statistics)},
      {"arms", std::move(arms)},
      {"train_seconds", statistics.train_seconds},
      {"cpus", statistics.cpus},
      {"devices", statistics.devices},
      {"threads", statistics.threads},
      {"git_revisions", statistics.git_revisions},
      {"method", Method(result)},
      {"cells", std::move(cells)},
  };
  return study.dump(2) + "\n";
}

std::string StudyMarkdown(const StudyResult& result) {
  const StudyStatistics statistics = Summarize(result);
  std::string text =
      absl::StrCat("# ", result.name, "\n\n", Completeness(result), "\n\n",
                   ArmsTable(statistics).ToMarkdown());
  if (Compares(statistics)) {
    absl::StrAppend(&text, "\nPaired differences to ",
                    result.spec.experiment.arms[0], ":\n\n",
                    DifferencesTable(statistics).ToMarkdown());
  }
  if (const base::Table layers = LayersTable(statistics);
      !layers.rows().empty()) {
    absl::StrAppend(&text, "\n", kLayers, ":\n\n", layers.ToMarkdown());
  }
  absl::StrAppend(&text, "\n", absl::StrJoin(Notes(result, statistics), "\n\n"),
                  "\n");
  return text;
}

std::string StudyHtml(const StudyResult& result) {
  const StudyStatistics statistics = Summarize(result);
  std::string notes;
  for (const std::string& note : Notes(result, statistics)) {
    absl::StrAppend(&notes, "<p>", viz::EscapeHtml(note), "</p>\n");
  }
  return NumbersPage(
      result.name, Completeness(result),
      absl::StrCat(FigureHtml(result, statistics), DifferencesHtml(statistics),
                   "<h2>Arms</h2>\n", viz::HtmlTable(ArmsTable(statistics)),
                   LayersHtml(statistics),
                   "<h2>How the numbers came about</h2>\n", notes),
      ToJson(result.spec));
}

absl::Status WriteStudy(const StudyResult& result,
                        const std::string& directory) {
  absl::Status status = base::WriteFileAtomically(directory + "/study.json",
                                                  StudyJson(result, directory));
  status.Update(base::WriteFileAtomically(directory + "/study.md",
                                          StudyMarkdown(result)));
  status.Update(
      base::WriteFileAtomically(directory + "/study.html", StudyHtml(result)));
  return status;
}

}  // namespace cnn_fp4::experiments
