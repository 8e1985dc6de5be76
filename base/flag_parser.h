#ifndef BASE_FLAG_PARSER_H_
#define BASE_FLAG_PARSER_H_

// The command line of a program whose options are the fields of specifications
// (spec.h): names, types, defaults and --help come from the one visitor.
//
//   TrainSpec spec;
//   base::FlagParser parser("Trains a net.");
//   parser.AddFields(base::Fields(spec));
//   const auto parsed = parser.Parse(argc, argv);
//
// A field's flag is the last word of its path: --steps=40 and --steps 40,
// --models=a,b and --models a b, --augment, --augment=false and --noaugment. No
// flag is abbreviated, and none but a list is given twice.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/spec.h"

namespace cnn_fp4::base {

struct ParsedFlags {
  bool help = false;            // Asked for; the fields are as they were.
  std::set<std::string> given;  // Paths of the fields that were given.
};

class FlagParser {
 public:
  // What is said beside "unknown flag --NAME".
  using Hint = std::function<std::string(const std::string& name)>;

  // `description` begins --help.
  explicit FlagParser(const std::string& description);
  ~FlagParser();
  FlagParser(const FlagParser&) = delete;
  FlagParser& operator=(const FlagParser&) = delete;

  // A flag for each field; its value now is the default that --help shows.
  // Fields that are in no part stand in --help under `group`. `renamed`: from
  // paths to the names of flags that differ from the leaf. No two flags have
  // one name (checked).
  void AddFields(absl::Span<const SpecField> fields,
                 const std::string& group = "Options",
                 const std::map<std::string, std::string>& renamed = {});

  // --set PATH=VALUE, repeatable, for each of these fields.
  void AddSet(absl::Span<const SpecField> fields);

  // "; --help lists all" unless set.
  void SetHint(Hint hint);

  // Writes what is given into the fields. InvalidArgument, one line that names
  // the flag. Once.
  absl::StatusOr<ParsedFlags> Parse(int argc, const char* const* argv);

  std::string Help() const;

  // A message of a Check, which begins with the leaf of a field, beginning with
  // its flag instead: "steps must ..." -> "--steps must ...".
  std::string WithFlag(absl::string_view message) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cnn_fp4::base

#endif  // BASE_FLAG_PARSER_H_
