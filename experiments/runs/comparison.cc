#include "experiments/runs/comparison.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/spec.h"
#include "experiments/arm_record.h"
#include "experiments/numbers_page.h"
#include "experiments/report_curves.h"
#include "experiments/report_data.h"
#include "viz/html_table.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

using Value = std::optional<double>;

base::Cell ToCell(const Value& value, int digits) {
  return value.has_value() ? base::Cell(*value, digits) : base::Cell("");
}

// The arms to compare, with what to call them.
struct Pair {
  std::string name;
  const ArmRecord* a;
  const ArmRecord* b;
};

std::vector<Pair> Pairs(const SavedRun& a, const SavedRun& b) {
  std::vector<Pair> pairs;
  for (const ArmRecord& left : a.result.arms) {
    for (const ArmRecord& right : b.result.arms) {
      if (left.arm == right.arm) pairs.push_back({left.policy, &left, &right});
    }
  }
  if (pairs.empty() && a.result.arms.size() == 1 && b.result.arms.size() == 1) {
    const ArmRecord& left = a.result.arms[0];
    const ArmRecord& right = b.result.arms[0];
    pairs.push_back(
        {absl::StrCat(left.policy, ", ", right.policy), &left, &right});
  }
  return pairs;
}

base::Table RunsTable(const SavedRun& a, const SavedRun& b) {
  base::Table table({"", "run", "experiment", "started (UTC)", "state"});
  for (const auto& [name, run] : {std::make_pair("A", &a), {"B", &b}}) {
    table.AddRow({name, run->directory.path(), run->result.experiment,
                  absl::FormatTime("%Y-%m-%d %H:%M", run->facts.started,
                                   absl::UTCTimeZone()),
                  StateName(run->state)});
  }
  return table;
}

// The table, or what it means that it has no rows.
std::string TableOr(const base::Table& table, const std::string& otherwise) {
  if (!table.rows().empty()) return viz::HtmlTable(table);
  return absl::StrCat("<p>", viz::EscapeHtml(otherwise), "</p>\n");
}

// Adds the run's arms to `all` as "A fp16".
absl::Status AddCurves(const std::string& name, const SavedRun& run,
                       ReportArms* all, std::vector<std::string>* order) {
  absl::StatusOr<ReportArms> arms = ReadReportData(run.directory.Metrics());
  if (!arms.ok()) return arms.status();
  for (const std::string& arm : ArmKeys(run.result.spec)) {
    order->push_back(absl::StrCat(name, " ", arm));
    (*all)[order->back()] = std::move((*arms)[arm]);
  }
  return absl::OkStatus();
}

std::vector<train::Metric> MetricsOf(const SavedRun& run) {
  if (run.result.arms.empty()) return {};
  return run.result.arms.front().metrics;
}

}  // namespace

base::Table ConfigDifferences(const SavedRun& a, const SavedRun& b) {
  base::Table table({"field", "A", "B"});
  const auto add = [&table](const std::string& name, const std::string& of_a,
                            const std::string& of_b) {
    if (of_a != of_b) table.AddRow({name, of_a, of_b});
  };
  ExperimentSpec spec_a = a.result.spec;
  ExperimentSpec spec_b = b.result.spec;
  const std::vector<base::SpecField> fields_a = base::Fields(spec_a);
  const std::vector<base::SpecField> fields_b = base::Fields(spec_b);
  for (size_t i = 0; i < fields_a.size(); ++i) {
    add(fields_a[i].path, base::ToText(fields_a[i]), base::ToText(fields_b[i]));
  }
  // Equal fields with another digest: a policy's name means something else.
  add("digest", a.digest, b.digest);
  add("device", a.facts.device, b.facts.device);
  add("CPU", a.facts.cpu, b.facts.cpu);
  add("git revision", a.facts.git_revision, b.facts.git_revision);
  add("LibTorch", a.facts.libtorch_version, b.facts.libtorch_version);
  return table;
}

base::Table ResultDifferences(const SavedRun& a, const SavedRun& b) {
  base::Table table({"arm", "metric", "A", "B", "B - A"});
  for (const Pair& pair : Pairs(a, b)) {
    for (const ResultColumn& column : ResultColumns({*pair.a})) {
      const Value left = column.value(*pair.a);
      const Value right = column.value(*pair.b);
      const Value difference = left.has_value() && right.has_value()
                                   ? Value(*right - *left)
                                   : std::nullopt;
      table.AddRow({pair.name, column.name, ToCell(left, column.digits),
                    ToCell(right, column.digits),
                    ToCell(difference, column.digits)});
    }
  }
  return table;
}

absl::StatusOr<std::string> ComparisonPage(const SavedRun& a,
                                           const SavedRun& b) {
  ReportArms arms;
  std::vector<std::string> order;
  absl::Status status = AddCurves("A", a, &arms, &order);
  if (status.ok()) status = AddCurves("B", b, &arms, &order);
  if (!status.ok()) return status;
  std::vector<train::Metric> metrics = MetricsOf(a);
  if (metrics.empty()) metrics = MetricsOf(b);
  return NumbersPage(
      "Comparison of two runs",
      absl::StrCat(a.result.experiment, " and ", b.result.experiment),
      absl::StrCat(
          viz::HtmlTable(RunsTable(a, b)), "<h2>Results</h2>\n",
          TableOr(ResultDifferences(a, b),
                  "The runs have no finished arm in common."),
          CurvesSection(arms, order, metrics),
          "<h2>Differences of the configuration</h2>\n",
          TableOr(ConfigDifferences(a, b), "The runs were made alike.")),
      /*config=*/"");
}

}  // namespace cnn_fp4::experiments
