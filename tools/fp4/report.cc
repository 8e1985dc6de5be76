#include "tools/fp4/report.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "quant/code_counts.h"
#include "quant/recipe.h"
#include "telemetry/statistics.h"
#include "tools/fp4/code_use.h"
#include "tools/fp4/quantized_file.h"
#include "tools/fp4/tensor_scale.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::Reader;
using safetensors::TensorInfo;
using telemetry::StatId;

// Safe to print, whatever a file calls its tensors.
std::string Plain(absl::string_view text) {
  return absl::Utf8SafeCHexEscape(text);
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::string Percent(double share) {
  return absl::StrFormat("%.2f%%", 100.0 * share);
}

// Statistics in the words of the heatmaps: head and cells of their columns.

std::string Title(StatId id) { return std::string(telemetry::Info(id).title); }

std::string TitleWithUnit(StatId id) {
  return absl::StrCat(Title(id), " ", telemetry::Info(id).unit);
}

std::string CodesUsedText(const quant::CodeCounts& codes) {
  return absl::StrCat(codes.CodesUsed(), "/", quant::kNumE2m1Values);
}

std::string EntropyText(const quant::CodeCounts& codes) {
  return absl::StrFormat("%.3f %s", codes.EntropyBits(),
                         telemetry::Info(StatId::kEntropyBits).unit);
}

std::string ScaleRange(const CodeUse& use) {
  return absl::StrFormat("%.6g .. %.6g", use.min_scale, use.max_scale);
}

// The file's number, whichever way round; for rows the range.
std::string TensorScaleText(const Reader& reader,
                            const QuantizedTensor& tensor) {
  if (tensor.tensor_scale == nullptr) return "-";
  const absl::Span<const uint8_t> bytes = reader.Data(*tensor.tensor_scale);
  float low = 0.0f;
  float high = 0.0f;
  for (size_t i = 0; i * sizeof(float) < bytes.size(); ++i) {
    float scale;
    std::memcpy(&scale, bytes.data() + i * sizeof(float), sizeof(scale));
    low = i == 0 ? scale : std::min(low, scale);
    high = i == 0 ? scale : std::max(high, scale);
  }
  if (bytes.size() == sizeof(float)) return absl::StrFormat("%.9g", low);
  return absl::StrFormat("%.6g .. %.6g", low, high);
}

std::string QuantizedTable(const Reader& reader, const FileContents& contents,
                           absl::Status& status) {
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "shape", "axis", "recipe", "tensor scale", "block scales",
       "zero scales", Title(StatId::kCodesUsed), Title(StatId::kEntropyBits),
       "zeros", "at +-6"}};
  for (const QuantizedTensor& tensor : contents.quantized) {
    const auto use = CountCodes(reader, tensor);
    if (!use.ok()) {
      status = use.status();
      return "";
    }
    rows.push_back({Plain(tensor.record.name), ShapeText(tensor.record.shape),
                    absl::StrCat(tensor.record.axis), tensor.recipe.name,
                    TensorScaleText(reader, tensor), ScaleRange(*use),
                    absl::StrCat(use->zero_scales + use->nan_scales),
                    CodesUsedText(use->codes), EntropyText(use->codes),
                    Percent(use->codes.ZeroShare()),
                    Percent(use->codes.LargestShare())});
  }
  return FormatTable(rows);
}

bool IsRightAligned(const std::string& cell) {
  return !cell.empty() && (absl::ascii_isdigit(cell[0]) || cell[0] == '-' ||
                           cell[0] == '.' || cell == "inf");
}

}  // namespace

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ",
                      IsRightAligned(row[i]) ? padding : "", row[i],
                      IsRightAligned(row[i]) ? "" : padding);
    }
    absl::StrAppend(&out, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return out;
}

absl::StatusOr<std::string> InspectReport(const Reader& reader,
                                          std::optional<Layout> layout) {
  const auto contents = ReadContents(reader, layout);
  if (!contents.ok()) return contents.status();
  int64_t bytes = 0;
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "dtype", "shape", "bytes"}};
  for (const TensorInfo& info : reader.tensors()) {
    bytes += info.num_bytes();
    rows.push_back({Plain(info.name), std::string(DTypeName(info.dtype)),
                    ShapeText(info.shape), absl::StrCat(info.num_bytes())});
  }
  std::string out = absl::StrFormat(
      "%s: %d tensors in %d bytes, %d quantised\n", Plain(reader.name()),
      reader.tensors().size(), bytes, contents->quantized.size());
  for (const auto& [key, value] : reader.metadata()) {
    // The record is shown as the tables below.
    if (key == kRecordKey) continue;
    absl::StrAppend(&out, "metadata ", Plain(key), " = ", Plain(value), "\n");
  }
  absl::StrAppend(&out, "\n", FormatTable(rows));
  if (contents->quantized.empty()) return out;
  absl::Status status;
  const std::string table = QuantizedTable(reader, *contents, status);
  if (!status.ok()) return status;
  absl::StrAppend(&out, "\nquantised, layout ",
                  LayoutName(contents->quantized.front().layout), "\n", table);
  return out;
}

bool Breaks(const TensorComparison& comparison, const Limits& limits) {
  if (!comparison.problem.empty()) return true;
  const Difference& d = comparison.difference;
  // The cosine of zeros, and the SQNR of nothing, are NaN.
  if (d.unequal == 0) return false;
  // Negated, so that NaN breaks every limit.
  return (limits.min_sqnr && !(d.sqnr() >= *limits.min_sqnr)) ||
         (limits.max_error && !(d.max_error() <= *limits.max_error)) ||
         (limits.min_cosine && !(d.cosine() >= *limits.min_cosine));
}

std::string CompareReport(const std::vector<TensorComparison>& comparisons,
                          const Limits& limits) {
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "shape", TitleWithUnit(StatId::kSqnrDb), "max error", "cosine",
       "unequal", Title(StatId::kUnderflowPct), Title(StatId::kSaturationPct),
       Title(StatId::kCodesUsed), Title(StatId::kEntropyBits), "verdict"}};
  for (const TensorComparison& c : comparisons) {
    const Difference& d = c.difference;
    if (!c.problem.empty()) {
      rows.push_back({Plain(c.name), ShapeText(c.shape), "", "", "", "", "", "",
                      "", "", Plain(c.problem)});
      continue;
    }
    rows.push_back(
        {Plain(c.name), ShapeText(c.shape), absl::StrFormat("%.3f", d.sqnr()),
         absl::StrFormat("%.6g", d.max_error()),
         absl::StrFormat("%.8f", d.cosine()), absl::StrCat(d.unequal),
         c.b_is_quantized ? Percent(d.finite.UnderflowShare()) : "-",
         c.b_is_quantized ? Percent(d.finite.SaturationShare()) : "-",
         c.codes ? CodesUsedText(*c.codes) : "-",
         c.codes ? EntropyText(*c.codes) : "-",
         Breaks(c, limits) ? "over the limit"
         : d.unequal == 0  ? "equal"
                           : "ok"});
  }
  return FormatTable(rows);
}

std::string RecipesReport() {
  std::string out;
  for (const quant::NamedRecipe& named : quant::RecipeRegistry()) {
    absl::StrAppend(&out, named.recipe.name, "\n  what    ", named.what,
                    "\n  anchor  ", named.anchor, "\n  use     ", named.use,
                    "\n  fields  ", quant::ToString(named.recipe), "\n");
  }
  absl::StrAppend(
      &out,
      "\nModifiers, each after a '+': a rounding (nearest, ties_away,\n"
      "ties_to_zero, sr8, sr, sr_unbiased), rht (Hadamard transform of 16),\n"
      "block=N (0: the whole axis). Example: mxfp4+block=16+sr8\n");
  return out;
}

}  // namespace cnn_fp4::fp4
