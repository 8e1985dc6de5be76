#ifndef BASE_SPEC_CHECK_H_
#define BASE_SPEC_CHECK_H_

// One line for each rule of a Check function of a specification.
//
//   absl::Status status;
//   status.Update(Require(spec.steps >= 0, "steps", "must not be negative"));
//   status.Update(RequireRange("crop", spec.crop, 1, 16384));
//   return status;

#include <cstdint>

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

// OK if `value` lies between the two, which are allowed as well.
inline absl::Status RequireRange(absl::string_view field, int64_t value,
                                 int64_t low, int64_t high) {
  return Require(
      value >= low && value <= high, field,
      absl::StrCat("is ", value, "; it must be ", low, " to ", high));
}

}  // namespace cnn_fp4::base

#endif  // BASE_SPEC_CHECK_H_
