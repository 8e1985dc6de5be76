#include "tools/fp4/dequantize.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "io/safetensors/writer.h"
#include "quant/float_environment.h"
#include "tools/fp4/copy.h"
#include "tools/fp4/element_stream.h"
#include "tools/fp4/quantized_file.h"

namespace cnn_fp4::fp4 {

using safetensors::DType;
using safetensors::Reader;
using safetensors::TensorInfo;
using safetensors::TensorSpec;
using safetensors::Writer;

namespace {

absl::Status DequantizeTensor(const Reader& reader,
                              const QuantizedTensor& tensor, Writer& writer,
                              const std::function<void(int64_t)>& advance) {
  auto stream = ElementStream::Create(reader, tensor);
  if (!stream.ok()) return stream.status();
  int64_t position = 0;
  while (true) {
    const auto values = stream->Next();
    if (!values.ok()) return values.status();
    if (values->empty()) return absl::OkStatus();
    const absl::Span<const uint8_t> bytes = AsBytes(*values);
    const absl::Status status =
        writer.Write(tensor.record.name, position, bytes);
    if (!status.ok()) return status;
    const auto size = static_cast<int64_t>(bytes.size());
    position += size;
    stream->Skip(static_cast<int64_t>(values->size()));
    advance(size);
  }
}

}  // namespace

absl::Status DequantizeReader(const Reader& reader, const std::string& output,
                              std::optional<Layout> layout,
                              const ProgressCallback& progress) {
  const quant::FloatEnvironment environment;
  const auto contents = ReadContents(reader, layout);
  if (!contents.ok()) return contents.status();
  if (contents->quantized.empty() &&
      reader.metadata().count(std::string(kRecordKey)) == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        reader.name(),
        layout ? ": holds no quantised tensor of this layout"
               : ": has no record of fp4 quantize: say --layout=modelopt or "
                 "--layout=compressed-tensors"));
  }
  std::vector<TensorSpec> specs;
  int64_t total = 0;
  for (const TensorInfo* info : contents->plain) {
    specs.push_back({info->name, info->dtype, info->shape});
    total += info->num_bytes();
  }
  for (const QuantizedTensor& tensor : contents->quantized) {
    specs.push_back({tensor.record.name, DType::kF32, tensor.record.shape});
    total += tensor.geometry.size() * static_cast<int64_t>(sizeof(float));
  }
  safetensors::Metadata metadata = reader.metadata();
  metadata.erase(std::string(kRecordKey));
  auto writer = Writer::Create(output, std::move(specs), metadata);
  if (!writer.ok()) return writer.status();
  int64_t done = 0;
  const auto advance = [&](int64_t bytes) {
    done += bytes;
    if (progress) progress(done, total);
  };
  for (const TensorInfo* info : contents->plain) {
    const absl::Status status = CopyTensor(reader, *info, **writer, advance);
    if (!status.ok()) return status;
  }
  for (const QuantizedTensor& tensor : contents->quantized) {
    const absl::Status status =
        DequantizeTensor(reader, tensor, **writer, advance);
    if (!status.ok()) return status;
  }
  return (*writer)->Finish();
}

absl::Status DequantizeFile(const std::string& input, const std::string& output,
                            std::optional<Layout> layout,
                            const ProgressCallback& progress) {
  const absl::StatusOr<Reader> reader = Reader::Open(input);
  if (!reader.ok()) return reader.status();
  return DequantizeReader(*reader, output, layout, progress);
}

}  // namespace cnn_fp4::fp4
