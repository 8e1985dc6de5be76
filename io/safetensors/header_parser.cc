#include "io/safetensors/header_parser.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::safetensors {
namespace {

using Json = nlohmann::json;

// Where the parser stands; the comments show what encloses the position.
enum class Place {
  kStart,         // |
  kTop,           // { |
  kMetadata,      // {"__metadata__": { |
  kTensor,        // {"w": { |
  kShape,         // {"w": {"shape": [ |
  kOffsets,       // {"w": {"data_offsets": [ |
  kWantMetadata,  // {"__metadata__": |
  kWantTensor,    // {"w": |
  kWantString,    // {"__metadata__": {"k": |
  kWantDType,     // {"w": {"dtype": |
  kWantShape,     // {"w": {"shape": |
  kWantOffsets,   // {"w": {"data_offsets": |
};

// A header has few of these; a longer array is refused before it is stored.
constexpr size_t kMaxRank = 64;

class Handler : public nlohmann::json_sax<Json> {
 public:
  const absl::Status& status() const { return status_; }
  RawHeader Take() { return std::move(header_); }

  bool start_object(size_t) override {
    switch (place_) {
      case Place::kStart:
        return Go(Place::kTop);
      case Place::kWantMetadata:
        return Go(Place::kMetadata);
      case Place::kWantTensor:
        return Go(Place::kTensor);
      default:
        return Unexpected("an object");
    }
  }

  bool end_object() override {
    if (place_ == Place::kTop) return Go(Place::kStart);
    keys_.clear();
    return Go(Place::kTop);
  }

  bool key(std::string& key) override {
    if (place_ == Place::kTop) {
      if (!top_keys_.insert(key).second) {
        return Fail(absl::StrCat("duplicate key ", QuoteName(key)));
      }
      if (key == kMetadataKey) return Go(Place::kWantMetadata);
      header_.tensors.emplace_back();
      tensor().name = std::move(key);
      return Go(Place::kWantTensor);
    }
    if (!keys_.insert(key).second) {
      return Fail(absl::StrCat(Where(), "duplicate key ", QuoteName(key)));
    }
    if (place_ == Place::kMetadata) {
      metadata_key_ = std::move(key);
      return Go(Place::kWantString);
    }
    if (key == "dtype") return Go(Place::kWantDType);
    if (key == "shape") return Go(Place::kWantShape);
    if (key == "data_offsets") return Go(Place::kWantOffsets);
    return Fail(absl::StrCat(Where(), "unknown key ", QuoteName(key)));
  }

  bool string(std::string& value) override {
    if (place_ == Place::kWantString) {
      header_.metadata[metadata_key_] = std::move(value);
      return Go(Place::kMetadata);
    }
    if (place_ == Place::kWantDType) {
      tensor().dtype = std::move(value);
      return Go(Place::kTensor);
    }
    return Unexpected("a string");
  }

  bool start_array(size_t) override {
    if (place_ == Place::kWantShape) {
      tensor().shape.emplace();
      return Go(Place::kShape);
    }
    if (place_ == Place::kWantOffsets) {
      tensor().offsets.emplace();
      return Go(Place::kOffsets);
    }
    return Unexpected("an array");
  }

  bool end_array() override { return Go(Place::kTensor); }

  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) {
      return Unexpected("a number");
    }
    auto& list = place_ == Place::kShape ? *tensor().shape : *tensor().offsets;
    if (list.size() == kMaxRank) {
      return Fail(absl::StrCat(Where(), "more than ", kMaxRank, " dimensions"));
    }
    list.push_back(value);
    return true;
  }

  bool number_integer(int64_t value) override {
    return Unexpected(absl::StrCat("the negative number ", value));
  }
  // Also integers over 64 bits.
  bool number_float(double, const std::string& text) override {
    return Unexpected(absl::StrCat("the number ", text.substr(0, 32),
                                   ", which is no 64-bit integer"));
  }
  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool binary(Json::binary_t&) override { return Unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The text between the library's prefix and the quotation of the input.
    std::string text = error.what();
    const size_t begin = text.find(": ");
    if (begin != std::string::npos) text = text.substr(begin + 2);
    const size_t quote = text.find("; last read");
    if (quote != std::string::npos) text.resize(quote);
    return Fail(absl::StrCat("header is not valid JSON at byte ", position,
                             ": ", absl::CHexEscape(text.substr(0, 160))));
  }

 private:
  RawTensor& tensor() { return header_.tensors.back(); }

  std::string Where() {
    const bool in_tensor = place_ != Place::kStart && place_ != Place::kTop &&
                           place_ != Place::kMetadata &&
                           place_ != Place::kWantMetadata &&
                           place_ != Place::kWantString;
    if (in_tensor) {
      return absl::StrCat("tensor ", QuoteName(tensor().name), ": ");
    }
    if (place_ == Place::kStart || place_ == Place::kTop) return "";
    return absl::StrCat(kMetadataKey, ": ");
  }

  const char* Wanted() const {
    switch (place_) {
      case Place::kStart:
        return "the header's object";
      case Place::kWantMetadata:
        return "an object of strings";
      case Place::kWantTensor:
        return "an object with dtype, shape and data_offsets";
      case Place::kWantString:
        return "a string";
      case Place::kWantDType:
        return "a string for dtype";
      case Place::kWantShape:
        return "an array for shape";
      case Place::kWantOffsets:
        return "an array for data_offsets";
      default:
        return "a non-negative integer";
    }
  }

  bool Go(Place place) {
    place_ = place;
    return true;
  }
  bool Unexpected(absl::string_view found) {
    return Fail(
        absl::StrCat(Where(), "expected ", Wanted(), ", found ", found));
  }
  bool Fail(absl::string_view message) {
    status_ = absl::InvalidArgumentError(message);
    return false;
  }

  Place place_ = Place::kStart;
  RawHeader header_;
  std::set<std::string> top_keys_;
  std::set<std::string> keys_;  // Of the object inside the top one.
  std::string metadata_key_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<RawHeader> ParseRawHeader(absl::string_view json) {
  // The library takes a NUL for the end of the input and ignores the rest.
  const size_t nul = json.find('\0');
  if (nul != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("header is not valid JSON at byte ", nul, ": NUL byte"));
  }
  Handler handler;
  const bool done = Json::sax_parse(json.begin(), json.end(), &handler);
  if (!handler.status().ok()) return handler.status();
  if (!done) return absl::InvalidArgumentError("header is not valid JSON");
  return handler.Take();
}

}  // namespace cnn_fp4::safetensors
