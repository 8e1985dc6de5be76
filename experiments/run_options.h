#ifndef EXPERIMENTS_RUN_OPTIONS_H_
#define EXPERIMENTS_RUN_OPTIONS_H_

// What a run may choose without being another experiment: where it runs, where
// it writes and what it shows.

#include <cstdint>
#include <string>

#include "base/progress.h"

namespace cnn_fp4::experiments {

struct RunOptions {
  // Runs go to <output_dir>/<experiment>/<UTC time>-<digest>/.
  std::string output_dir;
  std::string data_root;
  std::string device = "cpu";  // "cpu", "cuda" or "auto".
  int64_t logf = 10;           // Steps between measurements of every layer.
  int64_t threads = 0;         // 0: as many as cores.
  // Continue a run: its directory, or "latest". Empty: a new run.
  std::string resume;
  base::ProgressMode progress = base::ProgressMode::kAuto;
  int64_t overlay_images = 4;  // Validation images on the overlay sheet.
};

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_OPTIONS_H_
