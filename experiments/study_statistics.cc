#include "experiments/study_statistics.h"

#include <cmath>
#include <map>
#include <set>

#include "glog/logging.h"
#include "unsupported/Eigen/SpecialFunctions"

namespace cnn_fp4::experiments {
namespace {

// The cells of one arm, by seed.
using Cells = std::map<int64_t, const ArmRecord*>;

// The probability that |T| is above t.
double TwoSidedTail(double t, double degrees_of_freedom) {
  return Eigen::numext::betainc(
      0.5 * degrees_of_freedom, 0.5,
      degrees_of_freedom / (degrees_of_freedom + t * t));
}

std::optional<double> ValueOf(const ArmRecord& record, const std::string& key) {
  for (const train::Metric& metric : record.metrics) {
    if (metric.key == key) return metric.value;
  }
  return std::nullopt;
}

PairedDifference Compare(const Cells& first, const Cells& arm,
                         const std::string& key) {
  PairedDifference difference;
  std::vector<double> values;
  for (const auto& [seed, record] : arm) {
    const auto partner = first.find(seed);
    if (partner == first.end() ||
        MachineOf(*record) != MachineOf(*partner->second)) {
      continue;
    }
    const std::optional<double> a = ValueOf(*record, key);
    const std::optional<double> b = ValueOf(*partner->second, key);
    if (!a.has_value() || !b.has_value()) continue;
    difference.pairs.push_back({seed, *a - *b});
    values.push_back(*a - *b);
  }
  difference.summary = SummarizeSample(values);
  difference.interval = ConfidenceInterval(difference.summary);
  return difference;
}

std::vector<train::Metric> TableMetrics(absl::Span<const ArmRecord> records) {
  std::vector<train::Metric> metrics;
  for (const ArmRecord& record : records) {
    for (const train::Metric& metric : record.metrics) {
      if (metric.in_table) metrics.push_back(metric);
    }
    if (!metrics.empty()) break;
  }
  return metrics;
}

template <typename T>
std::vector<T> Sorted(const std::set<T>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

double StudentQuantile(double probability, int64_t degrees_of_freedom) {
  CHECK(probability > 0.5 && probability < 1) << probability;
  CHECK_GE(degrees_of_freedom, 1);
  const double tail = 2 * (1 - probability);
  const auto freedom = static_cast<double>(degrees_of_freedom);
  double low = 0;
  double high = 1;
  while (TwoSidedTail(high, freedom) > tail) high *= 2;
  // The tail falls with t: halve until the two are neighbours.
  for (;;) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) return high;
    (TwoSidedTail(middle, freedom) > tail ? low : high) = middle;
  }
}

SampleSummary SummarizeSample(absl::Span<const double> values) {
  SampleSummary summary;
  summary.n = static_cast<int64_t>(values.size());
  if (values.empty()) return summary;
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  summary.mean = mean;
  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  summary.standard_deviation = std::sqrt(squares / (n - 1));
  return summary;
}

std::optional<Interval> ConfidenceInterval(const SampleSummary& sample) {
  if (!sample.standard_deviation.has_value()) return std::nullopt;
  const double t = StudentQuantile(0.5 + 0.5 * kConfidence, sample.n - 1);
  const double half =
      t * *sample.standard_deviation / std::sqrt(static_cast<double>(sample.n));
  return Interval{*sample.mean - half, *sample.mean + half};
}

Machine MachineOf(const ArmRecord& record) {
  return {record.cpu, record.device, record.threads};
}

StudyStatistics Summarize(absl::Span<const std::string> policies,
                          absl::Span<const ArmRecord> records) {
  StudyStatistics statistics;
  statistics.metrics = TableMetrics(records);
  std::map<std::string, Cells> by_policy;
  for (const std::string& policy : policies) by_policy[policy];
  std::set<std::string> cpus, devices, revisions;
  std::set<int64_t> threads;
  for (const ArmRecord& record : records) {
    const auto cells = by_policy.find(record.policy);
    CHECK(cells != by_policy.end()) << "no arm " << record.policy;
    CHECK(cells->second.emplace(record.seed, &record).second)
        << record.policy << ": seed " << record.seed << " twice";
    statistics.train_seconds += record.train_seconds;
    cpus.insert(record.cpu);
    devices.insert(record.device);
    if (record.threads.has_value()) threads.insert(*record.threads);
    revisions.insert(record.git_revision);
  }
  statistics.cpus = Sorted(cpus);
  statistics.devices = Sorted(devices);
  statistics.threads = Sorted(threads);
  statistics.git_revisions = Sorted(revisions);
  for (size_t i = 0; i < policies.size(); ++i) {
    const Cells& cells = by_policy[policies[i]];
    ArmStatistics arm;
    arm.policy = policies[i];
    std::vector<double> seconds;
    for (const auto& [seed, record] : cells) {
      arm.seeds.push_back(seed);
      seconds.push_back(record->train_seconds);
    }
    arm.train_seconds = SummarizeSample(seconds);
    std::map<std::string, std::vector<double>> layer_means;
    for (const auto& [seed, record] : cells) {
      for (const auto& [key, value] : record->layer_means) {
        layer_means[key].push_back(value);
      }
    }
    for (const auto& [key, values] : layer_means) {
      arm.layer_means[key] = SummarizeSample(values);
    }
    for (const train::Metric& metric : statistics.metrics) {
      std::vector<double> values;
      for (const auto& [seed, record] : cells) {
        if (const auto value = ValueOf(*record, metric.key)) {
          values.push_back(*value);
        }
      }
      MetricStatistics numbers{SummarizeSample(values), std::nullopt};
      if (i > 0) {
        numbers.difference = Compare(by_policy[policies[0]], cells, metric.key);
      }
      arm.metrics.push_back(std::move(numbers));
    }
    statistics.arms.push_back(std::move(arm));
  }
  return statistics;
}

}  // namespace cnn_fp4::experiments
