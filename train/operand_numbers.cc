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

// Of a part of a packed tensor: two codes a byte, which begin with a whole one.
std::array<int64_t, 16> CountNibbles(absl::Span<const uint8_t> bytes) {
  std::array<int64_t, 256> by_byte = {};
  for (const uint8_t byte : bytes) ++by_byte[byte];
  std::array<int64_t, 16> counts = {};
  for (size_t byte = 0; byte < by_byte.size(); ++byte) {
    counts[byte & 15] += by_byte[byte];
    counts[byte >> 4] += by_byte[byte];
  }
  return counts;
}

// What quantising made of the parts of a tensor.
class CodeNumbers {
 public:
  // `x` became `packed`, which stands for `y`; they outlive this.
  CodeNumbers(absl::Span<const float> x, absl::Span<const float> y,
              const quant::PackedTensor& packed)
      : x_(x), y_(y), bytes_(packed.codes), parts_(NumParts(x.size())) {}

  // This has to stay where it is until they were run.
  void AddTasks(std::vector<Task>* tasks) {
    for (size_t part = 0; part < parts_.size(); ++part) {
      tasks->push_back([this, part] { Measure(part); });
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

  void Measure(size_t part) {
    const absl::Span<const float> x = Part(x_, part);
    const absl::Span<const uint8_t> packed =
        bytes_.subspan(part * kPart / 2, (x.size() + 1) / 2);
    std::array<uint8_t, kPart> codes;
    for (size_t i = 0; i < x.size() / 2; ++i) {
      codes[2 * i] = packed[i] & 15;
      codes[2 * i + 1] = packed[i] >> 4;
    }
    const bool odd = x.size() % 2 != 0;
    if (odd) codes[x.size() - 1] = packed.back() & 15;
    OfPart& of = parts_[part];
    of.status = of.distortion.Add(x, Part(y_, part),
                                  absl::MakeSpan(codes.data(), x.size()));
    of.counts = CountNibbles(packed);
    // The nibble that fills the last byte.
    if (odd) --of.counts[packed.back() >> 4];
  }

  const absl::Span<const float> x_;
  const absl::Span<const float> y_;
  const absl::Span<const uint8_t> bytes_;
  std::vector<OfPart> parts_;
};

}  // namespace

ValueNumbers MeasureValues(telemetry::TensorKind kind,
                           absl::Span<const float> values) {
  std::vector<ValueNumbers> parts(std::max<size_t>(1, NumParts(values.size())));
  std::vector<Task> tasks;
  for (size_t part = 0; part < parts.size(); ++part) {
    tasks.push_back([&, part] {
      const absl::Span<const float> x = Part(values, part);
      parts[part].stats = telemetry::ComputeTensorStats(x);
      parts[part].exponents.tensor = kind;
      telemetry::CountExponents(x, &parts[part].exponents);
    });
  }
  RunAll(tasks);
  ValueNumbers numbers;
  for (const ValueNumbers& part : parts) {
    numbers.stats.Merge(part.stats);
    Merge(part.exponents, &numbers.exponents);
  }
  return numbers;
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

absl::Status MeasurePipeline(const nn::QuantizedOperand& quantized,
                             int64_t slices, std::vector<float>* dequantized,
                             PipelineNumbers* numbers) {
  const absl::Span<const float> x = nn::Values(quantized.source);
  CHECK(slices == 0 || static_cast<int64_t>(x.size()) % slices == 0)
      << x.size() << " values in " << slices << " slices";
  dequantized->resize(x.size());
  if (absl::Status status =
          quant::Dequantize(quantized.packed, absl::MakeSpan(*dequantized));
      !status.ok()) {
    return status;
  }
  const absl::Span<const float> y = *dequantized;
  CodeNumbers codes(x, y, quantized.packed);
  const size_t length =
      slices == 0 ? 0 : x.size() / static_cast<size_t>(slices);
  // A task has whole slices, and about a part of them.
  const size_t together =
      std::max<size_t>(1, kPart / std::max<size_t>(1, length));
  const auto groups = (static_cast<size_t>(slices) + together - 1) / together;
  std::vector<double> centered(groups);
  absl::StatusOr<quant::BlockStats> blocks = quant::BlockStats();

  // The longest first.
  std::vector<Task> tasks = {
      [&] { blocks = quant::ComputeBlockStats(x, quantized.packed); }};
  for (size_t group = 0; group < groups; ++group) {
    tasks.push_back([&, group] {
      const size_t first = group * together;
      const size_t count =
          std::min(together, static_cast<size_t>(slices) - first);
      centered[group] =
          quant::LowestCenteredSqnrDb(x.subspan(first * length, count * length),
                                      y.subspan(first * length, count * length),
                                      static_cast<int64_t>(count));
    });
  }
  codes.AddTasks(&tasks);
  RunAll(tasks);

  *numbers = PipelineNumbers();
  if (absl::Status status =
          codes.Merge(&numbers->distortion, &numbers->code_counts);
      !status.ok()) {
    return status;
  }
  numbers->centered = std::numeric_limits<double>::quiet_NaN();
  for (const double one : centered) {
    // Of two, the one that is a number.
    if (std::isnan(numbers->centered) || one < numbers->centered) {
      numbers->centered = one;
    }
  }
  if (!blocks.ok()) return blocks.status();
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
  CodeNumbers codes(x, *dequantized, quantized.packed);
  std::vector<Task> tasks;
  codes.AddTasks(&tasks);
  RunAll(tasks);
  std::array<int64_t, 16> counts = {};
  return codes.Merge(distortion, &counts);
}

}  // namespace cnn_fp4::train
