#ifndef BASE_SPEC_CHECK_H_
#define BASE_SPEC_CHECK_H_

// Require: one line for each rule of a Check function of a specification.
//
//   absl::Status status;
//   status.Update(Require(spec.steps >= 0, "steps", "must not be negative"));
//   return status;

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

// OK if `condition` holds, else InvalidArgument "<field> <what>".
inline absl::Status Require(bool condition, absl::string_view field,
                            absl::string_view what) {
  if (condition) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " ", what));
}

}  // namespace cnn_fp4::base

#endif  // BASE_SPEC_CHECK_H_
