#include "io/safetensors/header.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "io/safetensors/header_parser.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::safetensors {
namespace {

constexpr int64_t kAlignment = 8;
// Names are cut in messages: a header may hold one of 100 MB.
constexpr size_t kMaxQuoted = 200;

absl::Status Bad(absl::string_view file, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", message));
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<TensorInfo> CheckTensor(RawTensor raw, int64_t data_bytes) {
  const auto bad = [&](absl::string_view message) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", QuoteName(raw.name), ": ", message));
  };
  if (!raw.dtype) return bad("dtype is missing");
  if (!raw.shape) return bad("shape is missing");
  if (!raw.offsets) return bad("data_offsets is missing");
  const std::optional<DType> dtype = ParseDType(*raw.dtype);
  if (!dtype) return bad(absl::StrCat("unknown dtype ", QuoteName(*raw.dtype)));
  if (raw.offsets->size() != 2) {
    return bad(absl::StrCat("data_offsets has ", raw.offsets->size(),
                            " numbers, expected 2"));
  }
  TensorInfo info;
  info.dtype = *dtype;
  for (const uint64_t extent : *raw.shape) {
    if (extent > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return bad(absl::StrCat("extent ", extent, " is too large"));
    }
    info.shape.push_back(static_cast<int64_t>(extent));
  }
  const uint64_t begin = (*raw.offsets)[0];
  const uint64_t end = (*raw.offsets)[1];
  if (begin > end) {
    return bad(absl::StrCat("data_offsets [", begin, ", ", end,
                            "] end before they begin"));
  }
  if (end > static_cast<uint64_t>(data_bytes)) {
    return bad(absl::StrCat("data_offsets [", begin, ", ", end,
                            "] exceed the file's ", data_bytes,
                            " bytes of data; is the file truncated?"));
  }
  info.begin = static_cast<int64_t>(begin);
  info.end = static_cast<int64_t>(end);
  const absl::StatusOr<int64_t> bytes = NumBytes(info.dtype, info.shape);
  if (!bytes.ok()) return bad(bytes.status().message());
  if (*bytes != info.num_bytes()) {
    return bad(absl::StrCat(DTypeName(info.dtype), " ", ShapeText(info.shape),
                            " takes ", *bytes, " bytes, data_offsets have ",
                            info.num_bytes()));
  }
  info.name = std::move(raw.name);
  return info;
}

// The ranges have to follow each other without overlap or hole.
absl::Status CheckCover(absl::Span<const TensorInfo> tensors,
                        int64_t data_bytes) {
  int64_t covered = 0;
  for (const TensorInfo& info : tensors) {
    if (info.begin == covered) {
      covered = info.end;
      continue;
    }
    const char* what = info.begin < covered ? "overlaps the tensor before it"
                                            : "leaves a hole before it";
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", QuoteName(info.name), ": data_offsets [", info.begin, ", ",
        info.end, "] ", what, " (expected ", covered, ")"));
  }
  if (covered != data_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensors cover ", covered, " bytes, but the file has ",
                     data_bytes, " bytes of data"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape) {
  int64_t product = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape ", ShapeText(shape), " has a negative extent"));
    }
    // Refused even where a later extent is 0, as the reference does.
    if (__builtin_mul_overflow(product, extent, &product)) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape ", ShapeText(shape), " overflows 64 bits"));
    }
  }
  return product;
}

absl::StatusOr<int64_t> NumBytes(DType dtype, absl::Span<const int64_t> shape) {
  const absl::StatusOr<int64_t> elements = NumElements(shape);
  if (!elements.ok()) return elements.status();
  int64_t bits = 0;
  if (__builtin_mul_overflow(*elements, DTypeBits(dtype), &bits)) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape ", ShapeText(shape), " overflows 64 bits"));
  }
  if (bits % 8 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        DTypeName(dtype), " ", ShapeText(shape), " does not fill whole bytes"));
  }
  return bits / 8;
}

std::string QuoteName(absl::string_view name) {
  const bool cut = name.size() > kMaxQuoted;
  return absl::StrCat("'", absl::Utf8SafeCHexEscape(name.substr(0, kMaxQuoted)),
                      cut ? "'..." : "'");
}

absl::StatusOr<Header> ParseHeader(absl::string_view file,
                                   absl::string_view json, int64_t data_bytes) {
  if (json.empty() || json.front() != '{') {
    return Bad(file, "header does not begin with '{'; not a safetensors file?");
  }
  absl::StatusOr<RawHeader> raw = ParseRawHeader(json);
  if (!raw.ok()) return Bad(file, raw.status().message());
  Header header;
  header.metadata = std::move(raw->metadata);
  header.tensors.reserve(raw->tensors.size());
  for (RawTensor& tensor : raw->tensors) {
    absl::StatusOr<TensorInfo> info =
        CheckTensor(std::move(tensor), data_bytes);
    if (!info.ok()) return Bad(file, info.status().message());
    header.tensors.push_back(*std::move(info));
  }
  // By `end` second: an empty tensor comes before the one at its place.
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) {
                     return std::make_pair(a.begin, a.end) <
                            std::make_pair(b.begin, b.end);
                   });
  const absl::Status cover = CheckCover(header.tensors, data_bytes);
  if (!cover.ok()) return Bad(file, cover.message());
  return header;
}

absl::StatusOr<std::string> SerializeHeader(absl::string_view file,
                                            const Header& header) {
  nlohmann::json json = nlohmann::json::object();
  if (!header.metadata.empty()) {
    json[std::string(kMetadataKey)] = header.metadata;
  }
  for (const TensorInfo& info : header.tensors) {
    json[info.name] = {{"dtype", std::string(DTypeName(info.dtype))},
                       {"shape", info.shape},
                       {"data_offsets", {info.begin, info.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    return Bad(file, "a tensor name or the metadata is not UTF-8");
  }
  while (text.size() % kAlignment != 0) text.push_back(' ');
  if (text.size() > static_cast<size_t>(kMaxHeaderBytes)) {
    return Bad(file, absl::StrCat("header of ", text.size(), " bytes exceeds ",
                                  kMaxHeaderBytes));
  }
  std::string out;
  for (int i = 0; i < kLengthBytes; ++i) {
    out.push_back(static_cast<char>((uint64_t{text.size()} >> (8 * i)) & 0xFF));
  }
  return out + text;
}

}  // namespace cnn_fp4::safetensors
