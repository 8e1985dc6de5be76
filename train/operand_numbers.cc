#include "train/operand_numbers.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>

#include "glog/logging.h"
#include "nn/gemm/tensor_span.h"
#include "quant/formats/e2m1.h"
#include "quant/quantizer.h"

namespace cnn_fp4::train {
namespace {

using Task = std::function<void()>;

// 128 kB of values: what a core keeps near it.
constexpr size_t kPart = size_t{1} << 15;

// Each task writes to a place of its own, so that their order does not matter.
// A tensor's tasks run together: where they are few, or one is long, threads
// would wait for each other at the end of every kind.
void RunAll(const std::vector<Task>& tasks) {
  std::atomic<size_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    for (size_t task; (task = next++) < tasks.size();) tasks[task]();
  });
}

size_t NumParts(size_t size) { return (size + kPart - 1) / kPart; }

template <typename T>
absl::Span<const T> Part(absl::Span<const T> values, size_t part) {
  return values.subspan(part * kPart, kPart);
}

void Merge(const telemetry::LayerHistogram& part,
           telemetry::LayerHistogram* histogram) {
  if (histogram->counts.empty()) {
    *histogram = part;
    return;
  }
  for (size_t i = 0; i < part.counts.size(); ++i) {
    histogram->counts[i] += part.counts[i];
  }
  histogram->zeros += part.zeros;
  histogram->nonfinite += part.nonfinite;
}

// Operands of wgrad are rotated, and a part of the whole.
bool HasQuantiles(telemetry::TensorKind kind) {
  return kind != telemetry::TensorKind::kWgradActivations &&
         kind != telemetry::TensorKind::kWgradOutputGradients;
}

// The numbers of a tensor's values.
class ValueTasks {
 public:
  // `values` outlives this.
  ValueTasks(telemetry::TensorKind kind, absl::Span<const float> values)
      : kind_(kind),
        values_(values),
        parts_(std::max<size_t>(1, NumParts(values.size()))) {
    quantiles_.fill(std::numeric_limits<double>::quiet_NaN());
  }

  // This has to stay where it is until they were run.
  void AddQuantiles(std::vector<Task>* tasks) {
    if (!HasQuantiles(kind_)) return;
    tasks->push_back(
        [this] { quantiles_ = telemetry::SampleQuantiles(values_); });
  }

  size_t parts() const { return parts_.size(); }

  // The task of a part.
  void Measure(size_t part) {
    const absl::Span<const float> x = Part(values_, part);
    parts_[part].stats = telemetry::ComputeTensorStats(x);
    parts_[part].exponents.tensor = kind_;
    telemetry::CountExponents(x, &parts_[part].exponents);
  }

  ValueNumbers Merged() const {
    ValueNumbers numbers;
    numbers.quantiles = quantiles_;
    for (const OfPart& part : parts_) {
      numbers.stats.Merge(part.stats);
      Merge(part.exponents, &numbers.exponents);
    }
    return numbers;
  }

 private:
  struct OfPart {
    telemetry::TensorStats stats;
    telemetry::LayerHistogram exponents;
  };

  const telemetry::TensorKind kind_;
  const absl::Span<const float> values_;
  std::vector<OfPart> parts_;
  telemetry::Quantiles quantiles_;
};

// The lowest SQNR about the mean of a slice.
class CenteredTasks {
 public:
  // `x` became `y`; they outlive this.
  CenteredTasks(absl::Span<const float> x, absl::Span<const float> y,
                int64_t slices)
      : x_(x), y_(y), slices_(static_cast<size_t>(slices)) {
    CHECK(slices_ == 0 || x.size() % slices_ == 0)
        << x.size() << " values in " << slices_ << " slices";
    length_ = slices_ == 0 ? 0 : x.size() / slices_;
    together_ = std::max<size_t>(1, kPart / std::max<size_t>(1, length_));
    lowest_.resize((slices_ + together_ - 1) / together_);
  }

  // This has to stay where it is until they were run.
  void AddTasks(std::vector<Task>* tasks) {
    for (size_t group = 0; group < lowest_.size(); ++group) {
      tasks->push_back([this, group] { Measure(group); });
    }
  }

  double Lowest() const {
    double lowest = std::numeric_limits<double>::quiet_NaN();
    for (const double one : lowest_) {
      // Of two, the one that is a number.
      if (std::isnan(lowest) || one < lowest) lowest = one;
    }
    return lowest;
  }

 private:
  // Whole slices, and about a part of them.
  void Measure(size_t group) {
    const size_t first = group * together_;
    const size_t count = std::min(together_, slices_ - first);
    lowest_[group] = quant::LowestCenteredSqnrDb(
        x_.subspan(first * length_, count * length_),
        y_.subspan(first * length_, count * length_),
        static_cast<int64_t>(count));
  }

  const absl::Span<const float> x_;
  const absl::Span<const float> y_;
  const size_t slices_;
  size_t length_ = 0;
  size_t together_ = 1;
  std::vector<double> lowest_;
};

// What quantising made of the parts of a tensor.
class CodeTasks {
 public:
  // `x` became `packed`, which stands for `y`; they outlive this.
  CodeTasks(absl::Span<const float> x, absl::Span<const float> y,
            const quant::PackedTensor& packed)
      : x_(x), y_(y), bytes_(packed.codes), parts_(NumParts(x.size())) {}

  size_t parts() const { return parts_.size(); }

  // The task of a part.
  void Measure(size_t part) {
    const absl::Span<const float> x = Part(x_, part);
    const absl::Span<const uint8_t> packed =
        bytes_.subspan(part * kPart / 2, (x.size() + 1) / 2);
    std::array<uint8_t, kPart> codes;
    for (size_t i = 0; i < x.size() / 2; ++i) {
      codes[2 * i] = packed[i] & 15;
      codes[2 * i + 1] = packed[i] >> 4;
    }
    if (x.size() % 2 != 0) codes[x.size() - 1] = packed.back() & 15;
    OfPart& of = parts_[part];
    of.status = of.distortion.Add(x, Part(y_, part),
                                  absl::MakeSpan(codes.data(), x.size()));
    if (of.distortion.nonfinite() == 0) {
      of.counts = of.distortion.code_counts();
    } else {
      for (size_t i = 0; i < x.size(); ++i) ++of.counts[codes[i]];
    }
  }

  absl::Status Merge(quant::DistortionStats* distortion,
                     std::array<int64_t, 16>* counts) const {
    for (const OfPart& part : parts_) {
      if (!part.status.ok()) return part.status;
      distortion->Merge(part.distortion);
      for (size_t code = 0; code < counts->size(); ++code) {
        (*counts)[code] += part.counts[code];
      }
    }
    return absl::OkStatus();
  }

 private:
  struct OfPart {
    quant::DistortionStats distortion;
    std::array<int64_t, 16> counts = {};
    absl::Status status;
  };

  const absl::Span<const float> x_;
  const absl::Span<const float> y_;
  const absl::Span<const uint8_t> bytes_;
  std::vector<OfPart> parts_;
};

}  // namespace

ValueNumbers MeasureValues(telemetry::TensorKind kind,
                           absl::Span<const float> values) {
  ValueTasks of(kind, values);
  std::vector<Task> tasks;
  of.AddQuantiles(&tasks);
  for (size_t part = 0; part < of.parts(); ++part) {
    tasks.push_back([&of, part] { of.Measure(part); });
  }
  RunAll(tasks);
  return of.Merged();
}

telemetry::TensorStats StatsOfCodes(const std::array<int64_t, 16>& counts) {
  telemetry::TensorStats stats;
  for (size_t code = 0; code < counts.size(); ++code) {
    if (counts[code] == 0) continue;
    const double value = quant::DecodeE2m1(static_cast<uint8_t>(code));
    telemetry::TensorStats same;
    same.count = counts[code];
    same.zero_count = value == 0 ? counts[code] : 0;
    same.mean = same.min = same.max = value;
    stats.Merge(same);
  }
  return stats;
}

absl::Status MeasureOperand(telemetry::TensorKind kind,
                            absl::Span<const float> raw,
                            const nn::QuantizedOperand& quantized,
                            int64_t slices, std::vector<float>* dequantized,
                            OperandNumbers* numbers) {
  const absl::Span<const float> x = nn::Values(quantized.source);
  dequantized->resize(x.size());
  if (absl::Status status =
          quant::Dequantize(quantized.packed, absl::MakeSpan(*dequantized));
      !status.ok()) {
    return status;
  }
  // Whether the pass that quantised counted pairs and codes.
  const bool counted = quantized.distortion.has_value() &&
                       quantized.distortion->nonfinite() == 0;
  CodeTasks codes(counted ? absl::Span<const float>() : x, *dequantized,
                  quantized.packed);
  CenteredTasks centered(x, *dequantized, slices);
  ValueTasks values(kind, raw);
  absl::StatusOr<quant::BlockStats> blocks = quant::BlockStats();

  // The longest first.
  std::vector<Task> tasks = {
      [&] { blocks = quant::ComputeBlockStats(x, quantized.packed); }};
  values.AddQuantiles(&tasks);
  centered.AddTasks(&tasks);
  // A part is in the cache when it is measured the second time.
  for (size_t part = 0; part < std::max(values.parts(), codes.parts());
       ++part) {
    tasks.push_back([&, part] {
      if (part < values.parts()) values.Measure(part);
      if (part < codes.parts()) codes.Measure(part);
    });
  }
  RunAll(tasks);

  *numbers = OperandNumbers();
  if (counted) {
    numbers->distortion = *quantized.distortion;
    numbers->code_counts = quantized.distortion->code_counts();
  } else if (absl::Status status =
                 codes.Merge(&numbers->distortion, &numbers->code_counts);
             !status.ok()) {
    return status;
  }
  if (!blocks.ok()) return blocks.status();
  numbers->raw = values.Merged();
  numbers->centered = centered.Lowest();
  numbers->blocks = *blocks;
  return absl::OkStatus();
}

absl::Status MeasureDistortion(const nn::QuantizedOperand& quantized,
                               std::vector<float>* dequantized,
                               quant::DistortionStats* distortion) {
  const absl::Span<const float> x = nn::Values(quantized.source);
  dequantized->resize(x.size());
  if (absl::Status status =
          quant::Dequantize(quantized.packed, absl::MakeSpan(*dequantized));
      !status.ok()) {
    return status;
  }
  CodeTasks codes(x, *dequantized, quantized.packed);
  std::vector<Task> tasks;
  for (size_t part = 0; part < codes.parts(); ++part) {
    tasks.push_back([&codes, part] { codes.Measure(part); });
  }
  RunAll(tasks);
  std::array<int64_t, 16> counts = {};
  return codes.Merge(distortion, &counts);
}

}  // namespace cnn_fp4::train
