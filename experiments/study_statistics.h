#ifndef EXPERIMENTS_STUDY_STATISTICS_H_
#define EXPERIMENTS_STUDY_STATISTICS_H_

// The numbers of a study: what its arms came to over the seeds, and how far
// they are from the first arm.
//
// A net's score varies from seed to seed more than between two formats, but
// much of that variation is common to all arms of a seed, which begin with the
// same weights and see the same batches. So arms are compared within pairs:
// cells of one seed that were trained on the same CPU model and device with the
// same number of threads, since others add in another order. Cells without such
// a partner count for the arm's own mean and not for the difference.
//
//   const StudyStatistics statistics = Summarize({"fp16", "nvfp4"}, records);
//   statistics.arms[1].metrics[0].difference->interval->low;
//
// Limits: the interval takes the differences for independent draws of a normal
// distribution; with a handful of seeds nothing can check that. Intervals of
// several metrics or arms are each for themselves, without a correction for
// their number.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "experiments/arm_record.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// CPU model, device and number of threads: where these are equal, equal
// trainings have equal bits. Records without a number of threads are taken for
// records of the same one.
using Machine = std::tuple<std::string, std::string, std::optional<int64_t>>;

Machine MachineOf(const ArmRecord& record);

// Of the intervals.
inline constexpr double kConfidence = 0.95;

// The t that a variable of Student's distribution with this many degrees of
// freedom (at least 1) stays below with this probability, which lies between
// 0.5 and 1 (both checked).
double StudentQuantile(double probability, int64_t degrees_of_freedom);

// Values that are NaN make mean and deviation NaN.
struct SampleSummary {
  int64_t n = 0;
  std::optional<double> mean;  // Of at least one value.
  // With the divisor n - 1: of at least two values.
  std::optional<double> standard_deviation;
};

SampleSummary SummarizeSample(absl::Span<const double> values);

struct Interval {
  double low = 0;
  double high = 0;
};

// mean +- t * standard deviation / sqrt(n), t of n - 1 degrees of freedom.
// nullopt for fewer than two values.
std::optional<Interval> ConfidenceInterval(const SampleSummary& sample);

struct Pair {
  int64_t seed = 0;
  double difference = 0;  // The arm's value less the first arm's.
};

struct PairedDifference {
  std::vector<Pair> pairs;  // By seed.
  SampleSummary summary;
  std::optional<Interval> interval;
};

struct MetricStatistics {
  SampleSummary values;
  std::optional<PairedDifference> difference;  // The first arm has none.
};

struct ArmStatistics {
  std::string policy;
  std::vector<int64_t> seeds;             // Of its cells, ascending.
  std::vector<MetricStatistics> metrics;  // As in StudyStatistics::metrics.
  SampleSummary train_seconds;
  // What the arm's layers say, by the keys of ArmRecord::layer_means.
  std::map<std::string, SampleSummary> layer_means;
};

struct StudyStatistics {
  // Those that tables show, in the order of the first record; their values mean
  // nothing here.
  std::vector<train::Metric> metrics;
  std::vector<ArmStatistics> arms;
  double train_seconds = 0;  // Of all cells together.
  // Each value once, sorted.
  std::vector<std::string> cpus;
  std::vector<std::string> devices;
  std::vector<int64_t> threads;  // Of the records that have it.
  std::vector<std::string> git_revisions;
};

// `records`: finished cells of these arms, in any order; each seed of an arm
// once, and no other arms (both checked).
StudyStatistics Summarize(absl::Span<const std::string> policies,
                          absl::Span<const ArmRecord> records);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_STUDY_STATISTICS_H_
