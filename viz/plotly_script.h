#ifndef VIZ_PLOTLY_SCRIPT_H_
#define VIZ_PLOTLY_SCRIPT_H_

// plotly.js (MIT), which draws 3-D surfaces. It is 5 MB, so that pages share
// one copy: a file beside the runs, to which they refer.
//
//   absl::StatusOr<std::string> script = PlacePlotly(page_directory,
//   output_root);
//   -> "../../../../plotly-7.1.0.min.js"
//
// Limits: a program finds it where it was built, by an absolute path, as it
// finds LibTorch. bazelw puts it there.

#include <string>

#include "absl/status/statusor.h"

namespace cnn_fp4::viz {

// false: this was built without plotly.js, or it is no longer where it was.
bool HasPlotly();

// Puts plotly.js and its licence into `root`, if they are not there yet, and
// returns the way from `page_directory` to it. Both directories exist. NotFound
// without HasPlotly; errors of the file system.
absl::StatusOr<std::string> PlacePlotly(const std::string& page_directory,
                                        const std::string& root);

}  // namespace cnn_fp4::viz

#endif  // VIZ_PLOTLY_SCRIPT_H_
