#ifndef QUANT_CONFORMANCE_CONFORMANCE_H_
#define QUANT_CONFORMANCE_CONFORMANCE_H_

// Compares every recipe on every implementation that this machine can run with
// the reference, value by value and scale by scale, and writes what it found.

#include <cstdint>
#include <string>
#include <vector>

namespace cnn_fp4::quant {

struct ConformanceRow {
  std::string recipe;
  std::string implementation;  // "cpu/AVX2", ...
  int64_t values = 0;          // De-quantised values, codes and scales.
  int64_t mismatches = 0;
};

// Every registered recipe and every rounding on every instruction set, over
// about `elements` elements each in several layouts. The rules that try 126
// scales see a thirtieth of that.
std::vector<ConformanceRow> RunConformance(int64_t elements);

// A Markdown table, and JSON {"schema_version": 1, "rows": [...]}.
std::string ToMarkdown(const std::vector<ConformanceRow>& rows);
std::string ToJson(const std::vector<ConformanceRow>& rows);

}  // namespace cnn_fp4::quant

#endif  // QUANT_CONFORMANCE_CONFORMANCE_H_
