#ifndef TELEMETRY_SINKS_WANDB_ROW_H_
#define TELEMETRY_SINKS_WANDB_ROW_H_

// What records add to a row of W&B's history: keys with values as JSON, in
// W&B's spelling of it.
//
// A value that has fields, such as a histogram, is written field by field, as
// W&B's own core does: its readers look for the fields.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/record.h"

namespace cnn_fp4::telemetry {

struct WandbValue {
  std::string key;
  // Names and JSON, each of which W&B counts as a key of its own; of a number,
  // one without a name.
  std::vector<std::pair<std::string, std::string>> fields;

  bool is_number() const { return fields.size() == 1; }
};

struct WandbAddition {
  int64_t step = 0;
  std::vector<WandbValue> values;
};

// Of scalars, statistics of layers and histograms; nullopt for other records,
// and for what is left out so that the keys of a U-Net in FP4 stay below W&B's
// limit: de-quantised weights, whose errors are those of the FP4 codes; moments
// of the codes' values; quartiles; histograms of block scales and their
// deviation, since mean, smallest and largest are there; of operands of wgrad
// all but SQNR and underflow; and what FP4 would do to the gradients of
// weights, which no GEMM multiplies.
std::optional<WandbAddition> ToWandbAddition(const Payload& payload);

// JSON of a number; W&B reads NaN, Infinity and -Infinity as such.
std::string WandbNumber(double value);

// JSON of a text, in quotes.
std::string WandbQuoted(const std::string& text);

// Bytes that are no UTF-8 become U+FFFD: they would cost the whole record.
std::string WandbUtf8(const std::string& text);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_ROW_H_
