#ifndef BASE_SPEC_H_
#define BASE_SPEC_H_

// Specifications: plain structs whose fields are listed once, for JSON, flags,
// --help and digests alike.
//
//   struct NetSpec {
//     int64_t levels = 4;
//     double dropout = 0.0;
//
//     template <typename Self, typename Visitor>
//     static void VisitFields(Self& self, Visitor&& visit) {
//       visit("levels", self.levels, "Number of levels.");
//       visit("dropout", self.dropout, "Share of dropped units.", 0.0);
//     }
//   };
//
// A field is a bool, int64_t, double, std::string, std::vector<std::string> or
// another specification, which nests: its fields have paths like "net.levels".
//
// Evolution: a field that is added after the first version has a neutral value,
// the fourth argument, with which everything is as it was before the field.
// Canonical JSON leaves the field out while it has that value, and JSON may
// lack it; so digests and files of earlier versions live on.

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cnn_fp4::base {

using SpecValue =
    std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

// One field of a specification that lives elsewhere and outlives this.
struct SpecField {
  std::string path;  // "train.steps"
  std::string help;  // Whole sentences.
  // The help of the outermost specification that holds the field; empty for a
  // field that stands by itself.
  std::string part;
  std::variant<bool*, int64_t*, double*, std::string*,
               std::vector<std::string>*>
      pointer;
  std::optional<SpecValue> neutral;

  // The last word of the path: "steps".
  std::string leaf() const;
  SpecValue value() const;
  // `value` has the field's type (checked).
  void set_value(const SpecValue& value) const;
};

// All fields of `spec`, those of nested specifications among them, in the order
// of declaration.
template <typename Spec>
std::vector<SpecField> Fields(Spec& spec);

// The type of a field, for messages: "an integer", "a number", "a text",
// "a list of texts" or "true or false".
std::string TypeName(const SpecField& field);

// The value as SetFromText reads it.
std::string ToText(const SpecField& field);

// Reads the whole of `text`: "40", "1e-3" (finite), "true" or "false", any
// text, or elements between commas. InvalidArgument that says what is wrong
// with the text, but not which field it is for.
absl::Status SetFromText(const SpecField& field, absl::string_view text);

// Sets one field: "train.steps=40". InvalidArgument that names the path, and
// lists the known ones where it is not one of them. Returns the path.
absl::StatusOr<std::string> SetByPath(absl::Span<const SpecField> fields,
                                      absl::string_view assignment);

// InvalidArgument, naming the path, for what JSON cannot hold: a number that is
// not finite, a text that is not UTF-8.
absl::Status CheckValues(absl::Span<const SpecField> fields);

// Canonical JSON: keys sorted, two spaces of indentation, no final newline. The
// values pass CheckValues (checked).
std::string ToJson(absl::Span<const SpecField> fields);

// Strict: an unknown key, a missing key and a value of another type are
// InvalidArgument that names the path and, for an unknown key, the known ones.
absl::Status SetFromJson(absl::Span<const SpecField> fields,
                         absl::string_view json);

template <typename Spec>
std::string ToJson(Spec spec) {
  return ToJson(absl::MakeConstSpan(Fields(spec)));
}

template <typename Spec>
absl::StatusOr<Spec> FromJson(absl::string_view json) {
  Spec spec;
  absl::Status status = SetFromJson(Fields(spec), json);
  if (!status.ok()) return status;
  return spec;
}

// Below: how Fields does it.

namespace spec_internal {

template <typename T>
inline constexpr bool kIsLeaf =
    std::is_same_v<T, bool> || std::is_same_v<T, int64_t> ||
    std::is_same_v<T, double> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, std::vector<std::string>>;

struct Collector {
  std::string prefix;
  std::string part;
  std::vector<SpecField>* fields;

  template <typename T>
  void operator()(const char* name, T& field, const std::string& help) const {
    if constexpr (kIsLeaf<T>) {
      fields->push_back({absl::StrCat(prefix, name), help, part, &field, {}});
    } else {
      T::VisitFields(field, Collector{absl::StrCat(prefix, name, "."),
                                      part.empty() ? help : part, fields});
    }
  }

  template <typename T, typename Neutral>
  void operator()(const char* name, T& field, const std::string& help,
                  const Neutral& neutral) const {
    static_assert(kIsLeaf<T>, "give the fields of the nested one neutral ones");
    fields->push_back(
        {absl::StrCat(prefix, name), help, part, &field, T(neutral)});
  }
};

}  // namespace spec_internal

template <typename Spec>
std::vector<SpecField> Fields(Spec& spec) {
  std::vector<SpecField> fields;
  Spec::VisitFields(spec, spec_internal::Collector{"", "", &fields});
  return fields;
}

}  // namespace cnn_fp4::base

#endif  // BASE_SPEC_H_
