#include "tools/fp4/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "quant/float_environment.h"
#include "tools/fp4/code_use.h"
#include "tools/fp4/element_stream.h"
#include "tools/fp4/float_source.h"
#include "tools/fp4/quantized_file.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::Reader;
using safetensors::TensorInfo;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A tensor under the name that its user knows.
struct Entry {
  std::string name;
  std::vector<int64_t> shape;
  const TensorInfo* plain = nullptr;
  const QuantizedTensor* quantized = nullptr;

  bool is_float() const {
    return quantized != nullptr || IsFloatSource(plain->dtype);
  }
};

std::vector<Entry> Entries(const FileContents& contents) {
  std::vector<Entry> entries;
  for (const TensorInfo* info : contents.plain) {
    entries.push_back({info->name, info->shape, info, nullptr});
  }
  for (const QuantizedTensor& tensor : contents.quantized) {
    entries.push_back(
        {tensor.record.name, tensor.record.shape, nullptr, &tensor});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

absl::StatusOr<ElementStream> Stream(const Reader& reader, const Entry& entry) {
  if (entry.plain != nullptr) return ElementStream(reader, *entry.plain);
  return ElementStream::Create(reader, *entry.quantized);
}

absl::Status CompareElements(const Reader& reader_a, const Entry& entry_a,
                             const Reader& reader_b, const Entry& entry_b,
                             Difference& difference) {
  auto a = Stream(reader_a, entry_a);
  if (!a.ok()) return a.status();
  auto b = Stream(reader_b, entry_b);
  if (!b.ok()) return b.status();
  std::vector<uint8_t> codes;
  while (true) {
    const auto next_a = a->Next();
    if (!next_a.ok()) return next_a.status();
    const auto next_b = b->Next();
    if (!next_b.ok()) return next_b.status();
    // Both have the same number of elements, but not the same chunks.
    const size_t n = std::min(next_a->size(), next_b->size());
    if (n == 0) return absl::OkStatus();
    const absl::Span<const float> values_a = next_a->first(n);
    const absl::Span<const float> values_b = next_b->first(n);
    if (entry_b.quantized != nullptr) {
      codes.resize(n);
      b->Codes(absl::MakeSpan(codes));
      difference.Add(values_a, values_b, codes);
    } else {
      difference.Add(values_a, values_b);
    }
    a->Skip(static_cast<int64_t>(n));
    b->Skip(static_cast<int64_t>(n));
  }
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<TensorComparison> CompareTensors(const Reader& reader_a,
                                                const Entry& a,
                                                const Reader& reader_b,
                                                const Entry& b) {
  TensorComparison result;
  result.name = a.name;
  result.shape = a.shape;
  if (a.shape != b.shape) {
    result.problem = absl::StrCat("shapes ", ShapeText(a.shape), " and ",
                                  ShapeText(b.shape));
    return result;
  }
  if (!a.is_float() || !b.is_float()) {
    const bool equal = a.plain != nullptr && b.plain != nullptr &&
                       a.plain->dtype == b.plain->dtype &&
                       reader_a.Data(*a.plain) == reader_b.Data(*b.plain);
    if (!equal) result.problem = "not floating point, and not equal";
    return result;
  }
  const absl::Status status =
      CompareElements(reader_a, a, reader_b, b, result.difference);
  if (!status.ok()) return status;
  result.b_is_quantized = b.quantized != nullptr;
  if (result.b_is_quantized) {
    result.codes = result.difference.finite.codes();
  } else if (a.quantized != nullptr) {
    const auto use = CountCodes(reader_a, *a.quantized);
    if (!use.ok()) return use.status();
    result.codes = use->codes;
  }
  return result;
}

}  // namespace

void Difference::Add(absl::Span<const float> a, absl::Span<const float> b) {
  const absl::Status status = finite.Add(a, b);
  CHECK(status.ok()) << status;
  AddUnequal(a, b);
}

void Difference::Add(absl::Span<const float> a, absl::Span<const float> b,
                     absl::Span<const uint8_t> codes) {
  const absl::Status status = finite.Add(a, b, codes);
  CHECK(status.ok()) << status;
  AddUnequal(a, b);
}

void Difference::AddUnequal(absl::Span<const float> a,
                            absl::Span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    ++unequal;
    if (std::isfinite(a[i]) && std::isfinite(b[i])) continue;
    const double error = std::fabs(double{b[i]} - a[i]);
    // Negated, so that NaN gets in; and there it stays.
    if (!std::isnan(nonfinite_error) && !(error <= nonfinite_error)) {
      nonfinite_error = error;
    }
  }
}

double Difference::max_error() const {
  if (std::isnan(nonfinite_error)) return nonfinite_error;
  return std::max(nonfinite_error, finite.MaxAbsError());
}

double Difference::sqnr() const {
  return nonfinite_error == 0.0 ? finite.SqnrDb() : kNan;
}

double Difference::cosine() const {
  return nonfinite_error == 0.0 ? finite.Cosine() : kNan;
}

absl::StatusOr<std::vector<TensorComparison>> CompareFiles(
    const Reader& a, const Reader& b, std::optional<Layout> layout) {
  const quant::FloatEnvironment environment;
  const auto contents_a = ReadContents(a, layout);
  if (!contents_a.ok()) return contents_a.status();
  const auto contents_b = ReadContents(b, layout);
  if (!contents_b.ok()) return contents_b.status();
  std::map<std::string, Entry> others;
  for (Entry& entry : Entries(*contents_b)) {
    others.emplace(entry.name, std::move(entry));
  }
  std::vector<TensorComparison> results;
  for (const Entry& entry : Entries(*contents_a)) {
    const auto other = others.find(entry.name);
    if (other == others.end()) {
      TensorComparison missing;
      missing.name = entry.name;
      missing.shape = entry.shape;
      missing.problem = absl::StrCat("is not in ", b.name());
      results.push_back(std::move(missing));
      continue;
    }
    auto result = CompareTensors(a, entry, b, other->second);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
    others.erase(other);
  }
  for (const auto& [name, entry] : others) {
    TensorComparison extra;
    extra.name = name;
    extra.shape = entry.shape;
    extra.problem = absl::StrCat("is not in ", a.name());
    results.push_back(std::move(extra));
  }
  return results;
}

}  // namespace cnn_fp4::fp4
