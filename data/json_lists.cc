#include "data/json_lists.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "data/file_io.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::data {
namespace {

using Json = nlohmann::json;
using base::BriefJson;
using base::kMaxJsonDepth;

// What nlohmann's parser calls for each value. Its parser and this keep their
// own stacks, so that depth costs no stack of the thread; false ends the
// parsing.
class ListReader : public nlohmann::json_sax<Json> {
 public:
  ListReader(const std::vector<std::string>& lists,
             absl::FunctionRef<absl::Status(const JsonElement&)> visit)
      : lists_(lists), visit_(visit) {}

  bool null() override { return Scalar(nullptr); }
  bool boolean(bool value) override { return Scalar(value); }
  bool number_integer(int64_t value) override { return Scalar(value); }
  bool number_unsigned(uint64_t value) override { return Scalar(value); }
  bool number_float(double value, const std::string&) override {
    return Scalar(value);
  }
  bool string(std::string& value) override { return Scalar(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // Not in JSON.

  bool start_object(size_t) override {
    if (depth_ == 0) {
      ++depth_;
      return true;
    }
    return Open(Json::object());
  }
  bool start_array(size_t) override {
    if (depth_ == 0) return false;  // Finish says that the lists are missing.
    if (depth_ == 1 && IsWanted(key_)) {
      list_ = key_;
      number_ = 0;
      ++depth_;
      return true;
    }
    return Open(Json::array());
  }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(std::string& key) override {
    if (depth_ == 1) {
      key_ = key;
      return seen_.insert(key).second || Twice("the file", key);
    }
    if (stack_.empty()) return true;
    if (stack_.back()->contains(key)) return Twice(Where(), key);
    key_ = key;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const Json::exception&) override {
    status_ =
        absl::DataLossError(absl::StrCat("no valid JSON at byte ", position,
                                         "; copy or download the file again"));
    return false;
  }

  // What there is to say once the parser has ended.
  absl::Status Finish() const {
    if (!status_.ok()) return status_;
    for (const std::string& list : lists_) {
      if (read_.count(list) == 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            "has no list \"", list, "\"; it must be a COCO instances file"));
      }
    }
    return absl::OkStatus();
  }

 private:
  bool IsWanted(const std::string& key) const {
    return std::find(lists_.begin(), lists_.end(), key) != lists_.end();
  }

  // Whether the next value is an element of a wanted list.
  bool AtElement() const {
    return depth_ == 2 && !list_.empty() && stack_.empty();
  }

  std::string Where() const {
    return absl::StrCat("element ", number_, " of \"", list_, "\"");
  }

  bool Refuse(const std::string& what) {
    status_ = absl::InvalidArgumentError(what);
    return false;
  }

  bool Twice(const std::string& where, const std::string& key) {
    return Refuse(absl::StrCat(where, " has the key \"", Quoted(key),
                               "\" twice; remove one of them"));
  }

  bool NoObject(const Json& value) {
    return Refuse(absl::StrCat(Where(), " is ", BriefJson(value),
                               ", not an object; correct or remove it"));
  }

  bool Scalar(Json value) {
    if (AtElement()) {
      ++number_;
      return NoObject(value);
    }
    return stack_.empty() || Add(std::move(value)) != nullptr;
  }

  bool Open(Json container) {
    if (++depth_ > kMaxJsonDepth) {
      return Refuse(absl::StrCat(list_.empty() ? "the file" : Where(),
                                 " has lists and objects more than ",
                                 kMaxJsonDepth,
                                 " deep in one another; correct it"));
    }
    --depth_;
    if (AtElement()) {
      ++number_;
      if (!container.is_object()) return NoObject(container);
      element_ = Json::object();
      values_ = 0;
      stack_.push_back(&element_);
    } else if (!stack_.empty()) {
      Json* const added = Add(std::move(container));
      if (added == nullptr) return false;
      stack_.push_back(added);
    }
    ++depth_;
    return true;
  }

  bool Close() {
    --depth_;
    if (!stack_.empty()) {
      stack_.pop_back();
      if (!stack_.empty()) return true;
      status_ = visit_({list_, number_, element_});
      element_ = Json();
      return status_.ok();
    }
    if (depth_ == 1 && !list_.empty()) {
      read_.insert(std::move(list_));
      list_.clear();
    }
    return true;
  }

  // Into the innermost container; null if there are too many. A container
  // outlives its children's places on the stack, and a list is not extended
  // while one of its children is open.
  Json* Add(Json value) {
    if (++values_ > kMaxJsonElementValues) {
      Refuse(absl::StrCat(Where(), " has more than ", kMaxJsonElementValues,
                          " values; divide or remove it"));
      return nullptr;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& place = parent[key_];
    place = std::move(value);
    return &place;
  }

  const std::vector<std::string>& lists_;
  const absl::FunctionRef<absl::Status(const JsonElement&)> visit_;
  absl::Status status_;
  int depth_ = 0;               // Containers that are open.
  std::string key_;             // The last one.
  std::set<std::string> seen_;  // Keys of the file.
  std::set<std::string> read_;  // Wanted lists that were.
  std::string list_;            // The wanted list that is open, or empty.
  int64_t number_ = 0;          // Of its element, from 1.
  Json element_;
  int64_t values_ = 0;        // In it.
  std::vector<Json*> stack_;  // Its open containers, itself the first.
};

}  // namespace

absl::Status ReadJsonLists(
    std::istream& stream, const std::vector<std::string>& lists,
    absl::FunctionRef<absl::Status(const JsonElement&)> visit) {
  ListReader reader(lists, visit);
  Json::sax_parse(stream, &reader);
  absl::Status status = reader.Finish();
  // The parser takes a NUL for the end.
  if (status.ok() && !stream.eof()) {
    status = absl::DataLossError(
        "has bytes behind the end of the JSON; copy or download the file "
        "again");
  }
  return status;
}

}  // namespace cnn_fp4::data
