#ifndef TELEMETRY_SINKS_WANDB_ARTIFACT_H_
#define TELEMETRY_SINKS_WANDB_ARTIFACT_H_

// An artifact of a W&B run: a file that W&B keeps with a version of its own.
//
// The record has a manifest: for each file its name, size, MD5 and where it
// lies when the run is uploaded. What stands where follows wandb 0.28.2
// (wandb/sdk/artifacts), whose offline runs have the same record.

#include <string>

#include "absl/status/statusor.h"
#include "telemetry/record.h"
#include "telemetry/sinks/wandb.pb.h"

namespace cnn_fp4::telemetry {

struct WandbArtifactRun {
  std::string id;
  std::string project;
  std::string entity;
  std::string directory;  // Of the run: the file gets a name of its own there.
};

// The record, of the version "latest" of an artifact `<name>-<run id>`. The
// file, `path`, is linked into the run's directory, or copied where it cannot
// be, so that it stays what it is now. Errors of the file system.
absl::StatusOr<wandb::ArtifactRecord> MakeWandbArtifact(
    const Artifact& artifact, const std::string& path,
    const WandbArtifactRun& run);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_ARTIFACT_H_
