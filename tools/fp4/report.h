#ifndef TOOLS_FP4_REPORT_H_
#define TOOLS_FP4_REPORT_H_

// What `fp4 inspect`, `fp4 compare` and `fp4 recipes` print.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/safetensors/reader.h"
#include "tools/fp4/compare.h"
#include "tools/fp4/file_record.h"

namespace cnn_fp4::fp4 {

// Columns padded to their widest cell, two spaces apart; the first row is the
// head. Cells that begin with a digit, a sign or a point are right-aligned.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

absl::StatusOr<std::string> InspectReport(const safetensors::Reader& reader,
                                          std::optional<Layout> layout);

// Limits that a comparison has to keep; nullopt: none.
struct Limits {
  std::optional<double> min_sqnr;    // dB
  std::optional<double> max_error;   // Absolute.
  std::optional<double> min_cosine;  // -1..1
};

// Whether the tensor breaks a limit, or could not be compared. Equal tensors
// break none.
bool Breaks(const TensorComparison& comparison, const Limits& limits);

std::string CompareReport(const std::vector<TensorComparison>& comparisons,
                          const Limits& limits);

// The registry of recipes.
std::string RecipesReport();

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_REPORT_H_
