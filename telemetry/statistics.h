#ifndef TELEMETRY_STATISTICS_H_
#define TELEMETRY_STATISTICS_H_

// The vocabulary of layer statistics: which tensors are measured, which numbers
// are taken of them, and how a number is called, written and shown. Whoever
// measures (the probe of a training), records (the sinks) or prints (the fp4
// tool) uses these enums and this table, so that one name has one meaning.
//
//   const StatInfo& info = Info(StatId::kSqnrDb);
//   LOG(INFO) << info.title << " " << value << " " << info.unit;
//   std::optional<StatId> stat = FindStatistic("sqnr_db");
//
// Keys and directories stand in files that users keep: they are never renamed.
// A statistic or a tensor kind is added by a value of the enum and a line of
// the table in statistics.cc.

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cnn_fp4::telemetry {

// Which tensor of a layer, and at which point of the quantisation pipeline.
enum class TensorKind {
  kWeightsPrequantize,
  kWeightsQuantized,
  kWeightsDequantized,
  kActivations,
  kGradients,
  kOutputGradients,
  // As wgrad has them, which sums over the positions: blocks lie along these,
  // and a policy may rotate them.
  kWgradActivations,
  kWgradOutputGradients,
};

struct TensorKindInfo {
  TensorKind kind;
  // Where the kind's files lie below an arm's directory, and its name in
  // records: "weights/prequantize".
  absl::string_view directory;
  // The part of a file's name that says what is in it: "weights".
  absl::string_view file;
  // For people: "weights, before quantisation".
  absl::string_view title;
};

// Which colours or axis suit a statistic.
enum class StatScale {
  kLinear,
  kLog,        // Positive values over orders of magnitude.
  kPercent,    // Values from 0 to 100.
  kSymmetric,  // Values of both signs, around zero.
};

enum class StatId {
  kMean,
  kStd,
  kKurtosis,
  kAmax,
  kNorm,
  kP01,
  kP25,
  kP50,
  kP75,
  kP99,
  kSqnrDb,
  kSqnrCenteredDb,
  kUnderflowPct,
  kSaturationPct,
  kCodesUsed,
  kEntropyBits,
  kScaleMean,
  kScaleStd,
  kScaleMin,
  kScaleMax,
  kBlockRangeBits,
  kCodesFlippedPct,
  kUpdateRatio,
  kNonfinite,
  kLearnedScale,
};

struct StatInfo {
  StatId id;
  absl::string_view key;    // In records and files: "sqnr_db".
  absl::string_view title;  // For people: "SQNR".
  absl::string_view unit;   // "dB", "%", "bits"; empty: none.
  absl::string_view
      description;  // Whole sentences: what it is, how to read it.
  StatScale scale;
};

// All of them, in the order of the enum, which is the order of display.
absl::Span<const TensorKindInfo> TensorKinds();
absl::Span<const StatInfo> Statistics();

const TensorKindInfo& Info(TensorKind kind);
const StatInfo& Info(StatId id);

// By TensorKindInfo::directory and StatInfo::key; nullopt for other texts.
std::optional<TensorKind> FindTensorKind(absl::string_view directory);
std::optional<StatId> FindStatistic(absl::string_view key);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_STATISTICS_H_
