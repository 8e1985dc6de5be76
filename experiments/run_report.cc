#include "experiments/run_report.h"

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "experiments/experiment_spec.h"
#include "experiments/report_sections.h"
#include "train/metric.h"
#include "viz/page.h"

namespace cnn_fp4::experiments {

std::string CostLine(const ExperimentResult& result,
                     const std::string& device) {
  if (result.wall_seconds == 0 || result.peak_memory_bytes == 0) return device;
  return absl::StrFormat("%.0f s, peak memory %.2f GB, %s", result.wall_seconds,
                         static_cast<double>(result.peak_memory_bytes) / 1e9,
                         device);
}

absl::Status WriteRunReport(const ExperimentResult& result, absl::Time started,
                            const std::string& device,
                            const RunDirectory& directory) {
  const absl::StatusOr<std::string> sections =
      ReportSections(directory.Metrics(), ArmKeys(result.spec),
                     result.arms.empty() ? std::vector<train::Metric>()
                                         : result.arms.front().metrics);
  if (!sections.ok()) return sections.status();
  return viz::WriteIndexPage(
      {result.experiment,
       absl::StrCat(
           absl::FormatTime("%Y-%m-%d %H:%M UTC", started, absl::UTCTimeZone()),
           ", ", CostLine(result, device)),
       result.arms.empty() ? base::Table() : ResultTable(result), *sections,
       base::ToJson(result.spec)},
      directory.path());
}

}  // namespace cnn_fp4::experiments
