#include "tools/fp4/file_record.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/safetensors/header.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::fp4 {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
// The record's own depth: arrays of extents.
constexpr int kMaxDepth = 4;

// A value of the wrong type is a null pointer.
const std::string* StringAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return nullptr;
  return found->get_ptr<const std::string*>();
}

bool ReadInteger(const Json& value, int64_t* out) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    return false;
  }
  *out = value.get<int64_t>();
  return true;
}

bool ReadTensor(const Json& json, TensorRecord* out) {
  if (!json.is_object()) return false;
  const std::string* recipe = StringAt(json, "recipe");
  const std::string* dtype = StringAt(json, "dtype");
  const auto shape = json.find("shape");
  const auto axis = json.find("axis");
  if (recipe == nullptr || dtype == nullptr || shape == json.end() ||
      !shape->is_array() || axis == json.end()) {
    return false;
  }
  out->recipe = *recipe;
  out->dtype = *dtype;
  for (const Json& value : *shape) {
    int64_t extent = 0;
    if (!ReadInteger(value, &extent) || extent < 0) return false;
    out->shape.push_back(extent);
  }
  return ReadInteger(*axis, &out->axis);
}

}  // namespace

absl::string_view LayoutName(Layout layout) {
  return layout == Layout::kModelOpt ? "modelopt" : "compressed-tensors";
}

absl::StatusOr<Layout> ParseLayout(absl::string_view name) {
  for (const Layout layout : {Layout::kModelOpt, Layout::kCompressedTensors}) {
    if (LayoutName(layout) == name) return layout;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown layout ", safetensors::QuoteName(name),
                   ": take modelopt or compressed-tensors"));
}

std::string CodesName(Layout layout, absl::string_view tensor) {
  if (layout == Layout::kModelOpt) return std::string(tensor);
  return absl::StrCat(tensor, "_packed");
}

std::string ScalesName(absl::string_view tensor) {
  return absl::StrCat(tensor, "_scale");
}

std::string TensorScaleName(Layout layout, absl::string_view tensor) {
  return absl::StrCat(
      tensor, layout == Layout::kModelOpt ? "_scale_2" : "_global_scale");
}

std::string DequantizedName(absl::string_view tensor) {
  return absl::StrCat(tensor, "_dequantized");
}

std::string ToJson(const FileRecord& record) {
  Json tensors = Json::object();
  for (const TensorRecord& tensor : record.tensors) {
    tensors[tensor.name] = {{"shape", tensor.shape},
                            {"axis", tensor.axis},
                            {"recipe", tensor.recipe},
                            {"dtype", tensor.dtype}};
  }
  const Json json = {{"version", kVersion},
                     {"layout", std::string(LayoutName(record.layout))},
                     {"tensors", std::move(tensors)}};
  return json.dump();
}

absl::StatusOr<FileRecord> ParseFileRecord(absl::string_view file,
                                           absl::string_view text) {
  const auto bad = [&](absl::string_view message) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": metadata '", kRecordKey, "': ", message));
  };
  bool too_deep = false;
  const Json json = Json::parse(
      text.begin(), text.end(),
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kMaxDepth;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep || !json.is_object()) return bad("not a JSON object");
  const auto version = json.find("version");
  if (version == json.end() || *version != kVersion) {
    return bad(absl::StrCat("version is not ", kVersion,
                            "; made by a newer program?"));
  }
  const std::string* layout = StringAt(json, "layout");
  if (layout == nullptr) return bad("layout is missing");
  FileRecord record;
  absl::StatusOr<Layout> parsed = ParseLayout(*layout);
  if (!parsed.ok()) return bad(parsed.status().message());
  record.layout = *parsed;
  const auto tensors = json.find("tensors");
  if (tensors == json.end() || !tensors->is_object()) {
    return bad("tensors is not an object");
  }
  for (const auto& [name, value] : tensors->items()) {
    TensorRecord tensor;
    tensor.name = name;
    if (!ReadTensor(value, &tensor)) {
      return bad(absl::StrCat("tensor ", safetensors::QuoteName(name),
                              ": expected shape, axis, recipe and dtype"));
    }
    record.tensors.push_back(std::move(tensor));
  }
  return record;
}

}  // namespace cnn_fp4::fp4
