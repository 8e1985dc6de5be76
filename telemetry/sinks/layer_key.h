#ifndef TELEMETRY_SINKS_LAYER_KEY_H_
#define TELEMETRY_SINKS_LAYER_KEY_H_

// What a measurement of a layer is called in TensorBoard and W&B, which show
// keys with the same text before "/" together: all layers of one statistic.
// W&B takes "." for a separator of its own, so there is none.
//
//   LayerKey("sqnr_db", TensorKind::kActivations, "enc1.conv1")
//     -> "sqnr_db_activations/enc1_conv1"
//
// What a recipe would do that is not in use has its name behind "if":
// "sqnr_db_activations_if_mxfp4/enc1_conv1".

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::telemetry {

inline std::string LayerKey(absl::string_view what, TensorKind tensor,
                            absl::string_view layer,
                            absl::string_view recipe = {}) {
  return absl::StrCat(what, "_",
                      absl::StrReplaceAll(Info(tensor).directory, {{"/", "_"}}),
                      recipe.empty() ? "" : "_if_", recipe, "/",
                      absl::StrReplaceAll(layer, {{".", "_"}}));
}

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_LAYER_KEY_H_
