#include "experiments/study_report.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "base/json_number.h"
#include "experiments/numbers_page.h"
#include "experiments/study_tables.h"
#include "nlohmann/json.hpp"
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
constexpr char kLayers[] =
    "Quantisation at the last measured step, as means over the layers in FP4 "
    "and the seeds";

size_t TotalCells(const StudyResult& result) {
  return result.spec.seeds.size() * result.spec.experiment.arms.size() *
         std::max<size_t>(1, result.spec.conditions.size());
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

// Whether there is something to compare with the first arm.
bool Compares(const StudyResult& result) {
  return result.spec.experiment.arms.size() > 1;
}

// Where the cells of all sections come from.
struct Provenance {
  double train_seconds = 0;
  std::set<std::string> cpus, devices, git_revisions;
  std::set<int64_t> threads;
};

Provenance ProvenanceOf(absl::Span<const StudySection> sections) {
  Provenance all;
  for (const auto& [condition, statistics] : sections) {
    all.train_seconds += statistics.train_seconds;
    all.cpus.insert(statistics.cpus.begin(), statistics.cpus.end());
    all.devices.insert(statistics.devices.begin(), statistics.devices.end());
    all.threads.insert(statistics.threads.begin(), statistics.threads.end());
    all.git_revisions.insert(statistics.git_revisions.begin(),
                             statistics.git_revisions.end());
  }
  return all;
}

std::string Machines(const Provenance& provenance) {
  std::string text =
      absl::StrCat("on ", absl::StrJoin(provenance.cpus, "; "), " (device ",
                   absl::StrJoin(provenance.devices, ", "));
  if (!provenance.threads.empty()) {
    absl::StrAppend(&text, ", threads ",
                    absl::StrJoin(provenance.threads, ", "));
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
                               absl::Span<const StudySection> sections) {
  std::vector<std::string> notes = {absl::StrCat(
      "Seeds: ", absl::StrJoin(result.spec.seeds, ", "),
      ". Every arm of a seed begins with the same weights and sees the same "
      "batches. Scores are those of the last validation, as mean ± standard "
      "deviation (divisor n - 1) over the seeds.")};
  if (Compares(result)) notes.push_back(Method(result));
  for (const Condition& condition : result.spec.conditions) {
    notes.push_back(absl::StrCat("Condition ", condition.name, ": ",
                                 absl::StrJoin(condition.settings, ", "), "."));
  }
  if (result.cells.empty()) return notes;
  const Provenance provenance = ProvenanceOf(sections);
  notes.push_back(absl::StrCat(
      "Training took ",
      absl::FormatDuration(absl::Trunc(absl::Seconds(provenance.train_seconds),
                                       absl::Seconds(1))),
      " in all, ", Machines(provenance),
      ". Git revisions: ", absl::StrJoin(provenance.git_revisions, ", "), "."));
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
  if (headline == nullptr || !Compares(result)) return "";
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
  if (statistics.arms.size() < 2) return "";
  return absl::StrCat("<h2>Paired differences to the first arm</h2>\n",
                      viz::HtmlTable(DifferencesTable(statistics)));
}

std::string LayersHtml(const StudyStatistics& statistics) {
  const base::Table layers = LayersTable(statistics);
  if (layers.rows().empty()) return "";
  return absl::StrCat("<h2>", kLayers, "</h2>\n", viz::HtmlTable(layers));
}

Json ArmsJson(const StudyStatistics& statistics) {
  Json arms = Json::array();
  for (const ArmStatistics& arm : statistics.arms) {
    arms.push_back(ArmJson(arm, statistics));
  }
  return arms;
}

std::string SectionMarkdown(const StudyResult& result,
                            const StudyStatistics& statistics) {
  std::string text = ArmsTable(statistics).ToMarkdown();
  if (Compares(result)) {
    absl::StrAppend(&text, "\nPaired differences to ",
                    result.spec.experiment.arms[0], ":\n\n",
                    DifferencesTable(statistics).ToMarkdown());
  }
  if (const base::Table layers = LayersTable(statistics);
      !layers.rows().empty()) {
    absl::StrAppend(&text, "\n", kLayers, ":\n\n", layers.ToMarkdown());
  }
  return text;
}

}  // namespace

std::vector<StudySection> Sections(const StudyResult& result) {
  const std::vector<Condition>& conditions = result.spec.conditions;
  std::vector<std::vector<ArmRecord>> records(
      std::max<size_t>(1, conditions.size()));
  for (const FoundRecord& cell : result.cells) {
    records[cell.condition].push_back(cell.record);
  }
  std::vector<StudySection> sections;
  for (size_t i = 0; i < records.size(); ++i) {
    sections.push_back({conditions.empty() ? "" : conditions[i].name,
                        Summarize(result.spec.experiment.arms, records[i])});
  }
  return sections;
}

std::string StudyJson(const StudyResult& result, const std::string& directory) {
  const std::vector<StudySection> sections = Sections(result);
  const Provenance provenance = ProvenanceOf(sections);
  Json cells = Json::array();
  for (const FoundRecord& cell : result.cells) {
    Json entry = Json::parse(ToJson(cell.record));
    entry["path"] =
        fs::path(cell.path).lexically_proximate(directory).generic_string();
    cells.push_back(std::move(entry));
  }
  Json study = {
      {"schema_version", kSchemaVersion},
      {"study", result.name},
      {"complete", Complete(result)},
      {"cells_done", result.cells.size()},
      {"cells_total", TotalCells(result)},
      {"config", Json::parse(ToJson(result.spec))},
      {"first_arm", result.spec.experiment.arms[0]},
      {"confidence", kConfidence},
      {"train_seconds", provenance.train_seconds},
      {"cpus", provenance.cpus},
      {"devices", provenance.devices},
      {"threads", provenance.threads},
      {"git_revisions", provenance.git_revisions},
      {"method", Method(result)},
      {"cells", std::move(cells)},
  };
  for (const auto& [condition, statistics] : sections) {
    if (condition.empty()) {
      study["metrics"] = MetricsJson(statistics);
      study["arms"] = ArmsJson(statistics);
    } else {
      study["conditions"].push_back({{"name", condition},
                                     {"metrics", MetricsJson(statistics)},
                                     {"arms", ArmsJson(statistics)}});
    }
  }
  return study.dump(2) + "\n";
}

std::string StudyMarkdown(const StudyResult& result) {
  const std::vector<StudySection> sections = Sections(result);
  std::string text =
      absl::StrCat("# ", result.name, "\n\n", Completeness(result), "\n");
  for (const auto& [condition, statistics] : sections) {
    if (!condition.empty()) absl::StrAppend(&text, "\n## ", condition, "\n");
    absl::StrAppend(&text, "\n", SectionMarkdown(result, statistics));
  }
  absl::StrAppend(&text, "\n", absl::StrJoin(Notes(result, sections), "\n\n"),
                  "\n");
  return text;
}

std::string StudyHtml(const StudyResult& result) {
  const std::vector<StudySection> sections = Sections(result);
  std::string body;
  for (const auto& [condition, statistics] : sections) {
    if (!condition.empty()) {
      absl::StrAppend(&body, "<h2 class=\"condition\">Condition ",
                      viz::EscapeHtml(condition), "</h2>\n");
    }
    absl::StrAppend(&body, FigureHtml(result, statistics),
                    DifferencesHtml(statistics), "<h2>Arms</h2>\n",
                    viz::HtmlTable(ArmsTable(statistics)),
                    LayersHtml(statistics));
  }
  absl::StrAppend(&body, "<h2>How the numbers came about</h2>\n");
  for (const std::string& note : Notes(result, sections)) {
    absl::StrAppend(&body, "<p>", viz::EscapeHtml(note), "</p>\n");
  }
  return NumbersPage(result.name, Completeness(result), body,
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
