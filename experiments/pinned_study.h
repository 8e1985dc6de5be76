#ifndef EXPERIMENTS_PINNED_STUDY_H_
#define EXPERIMENTS_PINNED_STUDY_H_

// What the macro study() of defs.bzl compiles into a binary.

namespace cnn_fp4::experiments {

extern const char kStudyName[];
extern const char kStudyExperiment[];  // JSON with every field.
extern const char kStudySeeds[];       // "1,2,3".
// "NAME:PATH=VALUE[;PATH=VALUE]...", ended by a null pointer.
extern const char* const kStudyConditions[];

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_PINNED_STUDY_H_
