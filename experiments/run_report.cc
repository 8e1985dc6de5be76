#include "experiments/run_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "experiments/experiment_spec.h"
#include "experiments/report_data.h"
#include "experiments/report_sections.h"
#include "experiments/weight_surfaces.h"
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

absl::StatusOr<std::string> WriteRunReport(const ExperimentResult& result,
                                           absl::Time started,
                                           const std::string& device,
                                           const RunDirectory& directory) {
  const absl::StatusOr<ReportArms> arms = ReadReportData(directory.Metrics());
  if (!arms.ok()) return arms.status();
  const std::vector<std::string> order = ArmKeys(result.spec);
  // Before the front page, which lists what there is.
  absl::StatusOr<std::string> lacking =
      WriteWeightSurfaces(result.experiment, *arms, order, directory);
  if (!lacking.ok()) return lacking;
  const absl::Status status = viz::WriteIndexPage(
      {result.experiment,
       absl::StrCat(
           absl::FormatTime("%Y-%m-%d %H:%M UTC", started, absl::UTCTimeZone()),
           ", ", CostLine(result, device)),
       result.arms.empty() ? base::Table() : ResultTable(result),
       ReportSections(*arms, order,
                      result.arms.empty() ? std::vector<train::Metric>()
                                          : result.arms.front().metrics),
       base::ToJson(result.spec)},
      directory.path());
  if (!status.ok()) return status;
  return lacking;
}

}  // namespace cnn_fp4::experiments
