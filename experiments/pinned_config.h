#ifndef EXPERIMENTS_PINNED_CONFIG_H_
#define EXPERIMENTS_PINNED_CONFIG_H_

// What the macro experiment() of defs.bzl compiles into a binary.

namespace cnn_fp4::experiments {

extern const char kExperimentName[];
extern const char kExperimentConfig[];  // JSON with every field.

// Every pinned experiment, from all_pinned_configs(): for tests.
struct PinnedConfig {
  const char* name;
  const char* json;
};
extern const PinnedConfig kAllPinnedConfigs[];
extern const int kNumPinnedConfigs;

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_PINNED_CONFIG_H_
