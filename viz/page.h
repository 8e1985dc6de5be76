#ifndef VIZ_PAGE_H_
#define VIZ_PAGE_H_

// report.html: the front page of a run directory. It lists everything that the
// run left there, with thumbnails, so that nobody has to know the paths.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/table.h"

namespace cnn_fp4::viz {

struct IndexPage {
  std::string title;        // "fp16_vs_nvfp4_s025"
  std::string subtitle;     // Date, device, duration: one line.
  base::Table result;       // Shown first; empty: none.
  std::string sections;     // HTML that follows it; empty: none.
  std::string config_json;  // Shown as it is, folded; empty: none.
};

// Looks through `run_directory` for plots/**/*.{png,html,json} and the run's
// own files, and writes report.html there, with relative links only: the
// directory can be moved or zipped. NotFound when there is no such directory.
absl::Status WriteIndexPage(const IndexPage& page,
                            absl::string_view run_directory);

}  // namespace cnn_fp4::viz

#endif  // VIZ_PAGE_H_
