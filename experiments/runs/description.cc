#include "experiments/runs/description.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/spec.h"
#include "base/table.h"
#include "experiments/run_report.h"

namespace cnn_fp4::experiments {
namespace {

base::Table ChosenFields(const ExperimentSpec& spec) {
  ExperimentSpec chosen = spec;
  ExperimentSpec defaults;
  const std::vector<base::SpecField> fields = base::Fields(chosen);
  const std::vector<base::SpecField> others = base::Fields(defaults);
  base::Table table({"field", "value", "default"});
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string value = base::ToText(fields[i]);
    const std::string usual = base::ToText(others[i]);
    if (value != usual) table.AddRow({fields[i].path, value, usual});
  }
  return table;
}

}  // namespace

std::string DescribeRun(const SavedRun& run) {
  const std::pair<const char*, std::string> lines[] = {
      {"run", run.directory.path()},
      {"experiment",
       absl::StrCat(run.result.experiment, ", digest ", run.digest)},
      {"state",
       absl::StrFormat("%s, %d of %d arms have ended", StateName(run.state),
                       run.result.arms.size(), run.result.spec.arms.size())},
      {"started", absl::FormatTime("%Y-%m-%d %H:%M UTC", run.facts.started,
                                   absl::UTCTimeZone())},
      {"cost", CostLine(run.result, run.facts.device)},
      {"machine", absl::StrFormat("%s, %d cores, %s", run.facts.cpu,
                                  run.facts.cores, run.facts.system)},
      {"versions", absl::StrCat("revision ", run.facts.git_revision,
                                ", LibTorch ", run.facts.libtorch_version)},
      {"classes", absl::StrJoin(run.result.class_names, ", ")},
      {"report", run.directory.Report()},
  };
  std::string text;
  for (const auto& [name, value] : lines) {
    absl::StrAppendFormat(&text, "%-12s%s\n", name, value);
  }
  if (!run.result.arms.empty()) {
    absl::StrAppend(&text, "\n", ResultTable(run.result).ToText());
  }
  if (const base::Table fields = ChosenFields(run.result.spec);
      !fields.rows().empty()) {
    absl::StrAppend(&text, "\n", fields.ToText());
  }
  return text;
}

}  // namespace cnn_fp4::experiments
