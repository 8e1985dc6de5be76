#include "tools/fp4/quantize.h"

#include <fnmatch.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/safetensors/reader.h"
#include "io/safetensors/writer.h"
#include "quant/float_environment.h"
#include "quant/quantizer.h"
#include "tools/fp4/copy.h"
#include "tools/fp4/float_source.h"
#include "tools/fp4/geometry.h"
#include "tools/fp4/packed_writer.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::QuoteName;
using safetensors::Reader;
using safetensors::TensorInfo;
using safetensors::Writer;

struct Job {
  const TensorInfo* source;
  Geometry geometry;
};

bool Matches(const std::vector<std::string>& patterns,
             const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

// Whether anybody quantises a tensor of this shape and name.
bool IsUsual(const TensorInfo& info) {
  const std::string name = absl::AsciiStrToLower(info.name);
  return info.shape.size() >= 2 && !absl::StrContains(name, "norm") &&
         !absl::EndsWith(name, "bias");
}

enum class Fate { kQuantized, kCopied, kLeftByDefault };

Fate FateOf(const TensorInfo& info, const QuantizeFileOptions& options) {
  if (!IsFloatSource(info.dtype) || info.shape.empty() ||
      Matches(options.exclude, info.name)) {
    return Fate::kCopied;
  }
  if (options.include.empty()) {
    return IsUsual(info) ? Fate::kQuantized : Fate::kLeftByDefault;
  }
  return Matches(options.include, info.name) ? Fate::kQuantized : Fate::kCopied;
}

// FNV-1a, 32 bits.
uint32_t StreamOf(absl::string_view name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  }
  return hash;
}

class FileQuantizer {
 public:
  FileQuantizer(const Reader& reader, const QuantizeFileOptions& options,
                const ProgressCallback& progress)
      : reader_(reader), options_(options), progress_(progress) {}

  absl::StatusOr<QuantizeSummary> Run(const std::string& output) {
    const quant::FloatEnvironment environment;
    absl::Status status = Plan();
    if (!status.ok()) return status;
    auto writer = Writer::Create(output, specs_, metadata_);
    if (!writer.ok()) return writer.status();
    for (const TensorInfo* info : copies_) {
      status = CopyTensor(reader_, *info, **writer,
                          [&](int64_t bytes) { Advance(bytes); });
      if (!status.ok()) return status;
    }
    for (const Job& job : jobs_) {
      status = Quantize(job, **writer);
      if (!status.ok()) return status;
    }
    status = (*writer)->Finish();
    if (!status.ok()) return status;
    return summary_;
  }

 private:
  int64_t AxisOf(const TensorInfo& info) const {
    const auto own = options_.axes.find(info.name);
    return own == options_.axes.end() ? options_.axis : own->second;
  }

  absl::Status Plan() {
    FileRecord record;
    record.layout = options_.layout;
    for (const TensorInfo& info : reader_.tensors()) {
      total_ += info.num_bytes();
      const Fate fate = FateOf(info, options_);
      if (fate == Fate::kLeftByDefault) {
        summary_.left_by_default.push_back(info.name);
      }
      if (fate != Fate::kQuantized) {
        copies_.push_back(&info);
        specs_.push_back({info.name, info.dtype, info.shape});
        continue;
      }
      absl::StatusOr<Geometry> geometry =
          Geometry::Create(info.shape, AxisOf(info), options_.recipe);
      if (!geometry.ok()) {
        return Error(info, absl::StrCat(geometry.status().message(),
                                        " (--exclude copies the tensor)"));
      }
      record.tensors.push_back({info.name, info.shape, geometry->axis(),
                                options_.recipe.name,
                                std::string(DTypeName(info.dtype))});
      AddPackedSpecs(info.name, options_.layout, options_.recipe, *geometry,
                     specs_);
      if (options_.dequantized) {
        specs_.push_back(
            {DequantizedName(info.name), safetensors::DType::kF32, info.shape});
      }
      jobs_.push_back({&info, *std::move(geometry)});
      ++summary_.quantized;
    }
    metadata_ = reader_.metadata();
    metadata_[std::string(kRecordKey)] = ToJson(record);
    return absl::OkStatus();
  }

  absl::Status Quantize(const Job& job, Writer& writer) {
    const TensorInfo& info = *job.source;
    FloatSource source(
        reader_, info,
        options_.saturate ? NonFinite::kSaturate : NonFinite::kKeep);
    const auto chunks = job.geometry.Chunks(options_.chunk_elements);
    if (!chunks.ok()) return Error(info, chunks.status().message());
    quant::QuantizeOptions options;
    options.seed = options_.seed;
    options.stream = StreamOf(info.name);
    // What is not finite is replaced, and results stay finite, too.
    if (options_.saturate) {
      options.nonfinite = quant::NonFinitePolicy::kSaturate;
    }
    if (options_.recipe.tensor_scale == quant::TensorScale::kPerTensor) {
      absl::StatusOr<float> amax = TensorAmax(info, *chunks, options, source);
      if (!amax.ok()) return amax.status();
      options.tensor_amax = *amax;
    }
    PackedWriter packed_writer(writer, info.name, options_.layout,
                               options_.recipe, job.geometry);
    absl::Status status;
    for (const Chunk& chunk : *chunks) {
      options.first_element = chunk.begin;
      status = quant::QuantizeInto(options_.recipe, chunk.grid,
                                   source.View(chunk.begin, chunk.size),
                                   &packed_, options);
      if (!status.ok()) return Explain(info, chunk, status, source);
      status = packed_writer.Write(chunk, packed_);
      if (status.ok() && options_.dequantized) {
        status = WriteDequantized(info, chunk, packed_, writer);
      }
      if (!status.ok()) return status;
      source.Release(chunk.begin, chunk.size);
      Advance(chunk.size * (DTypeBits(info.dtype) / 8));
    }
    return packed_writer.Finish(options.tensor_amax);
  }

  absl::StatusOr<float> TensorAmax(const TensorInfo& info,
                                   const std::vector<Chunk>& chunks,
                                   const quant::QuantizeOptions& options,
                                   FloatSource& source) const {
    float amax = 0.0f;
    for (const Chunk& chunk : chunks) {
      const absl::StatusOr<float> part =
          quant::ScaleAmax(options_.recipe, chunk.grid,
                           source.View(chunk.begin, chunk.size), options);
      if (!part.ok()) return Explain(info, chunk, part.status(), source);
      amax = std::max(amax, *part);
    }
    return amax;
  }

  // In the file's terms if the chunk holds a NaN or an infinity.
  absl::Status Explain(const TensorInfo& info, const Chunk& chunk,
                       const absl::Status& refusal, FloatSource& source) const {
    const absl::Status status = source.CheckFinite(chunk.begin, chunk.size);
    return status.ok() ? Error(info, refusal.message()) : status;
  }

  absl::Status WriteDequantized(const TensorInfo& info, const Chunk& chunk,
                                const quant::PackedTensor& packed,
                                Writer& writer) {
    buffer_.resize(chunk.size);
    const absl::Status status =
        quant::Dequantize(packed, absl::MakeSpan(buffer_));
    if (!status.ok()) return Error(info, status.message());
    return writer.Write(DequantizedName(info.name),
                        chunk.begin * static_cast<int64_t>(sizeof(float)),
                        AsBytes(buffer_));
  }

  absl::Status Error(const TensorInfo& info, absl::string_view message) const {
    return absl::InvalidArgumentError(absl::StrCat(
        reader_.name(), ": tensor ", QuoteName(info.name), ": ", message));
  }

  void Advance(int64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, total_);
  }

  const Reader& reader_;
  const QuantizeFileOptions& options_;
  const ProgressCallback& progress_;
  std::vector<Job> jobs_;
  std::vector<const TensorInfo*> copies_;
  std::vector<safetensors::TensorSpec> specs_;
  safetensors::Metadata metadata_;
  quant::PackedTensor packed_;
  std::vector<float> buffer_;
  QuantizeSummary summary_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

absl::StatusOr<QuantizeSummary> QuantizeFile(const std::string& input,
                                             const std::string& output,
                                             const QuantizeFileOptions& options,
                                             const ProgressCallback& progress) {
  const absl::StatusOr<Reader> reader = Reader::Open(input);
  if (!reader.ok()) return reader.status();
  if (reader->metadata().count(std::string(kRecordKey)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(input, ": is quantised already: dequantize it first"));
  }
  return FileQuantizer(*reader, options, progress).Run(output);
}

}  // namespace cnn_fp4::fp4
