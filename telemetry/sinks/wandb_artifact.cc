#include "telemetry/sinks/wandb_artifact.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;

absl::Status LinkOrCopy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  fs::remove(to, error);
  fs::create_hard_link(from, to, error);
  if (error) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  }
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(
      error.value(),
      absl::StrCat("copying ", from.string(), " to ", to.string()));
}

// W&B's own are 128 random characters of [a-z0-9]: which version this is, or
// which artifact, before a server has numbered it. The same weights of the same
// run are the same version.
std::string ClientId(const std::string& what) {
  return base::Sha256Hex(what) + base::Sha256Hex(absl::StrCat(what, "\n"));
}

}  // namespace

absl::StatusOr<wandb::ArtifactRecord> MakeWandbArtifact(
    const Artifact& artifact, const std::string& path,
    const WandbArtifactRun& run) {
  const std::string file = fs::path(path).filename().string();
  const std::string name = absl::StrCat(artifact.name, "-", run.id);
  const fs::path kept = fs::absolute(fs::path(run.directory) / "artifacts" /
                                     artifact.name / file);
  if (absl::Status status = LinkOrCopy(path, kept); !status.ok()) return status;
  const absl::StatusOr<base::FileDigest> digest = base::Md5OfFile(kept);
  if (!digest.ok()) return digest.status();

  wandb::ArtifactRecord record;
  record.set_run_id(run.id);
  record.set_project(run.project);
  record.set_entity(run.entity);
  record.set_type(artifact.kind);
  record.set_name(name);
  record.add_aliases("latest");
  record.set_finalize(true);
  const std::string md5 = absl::Base64Escape(digest->bytes);
  record.set_digest(absl::BytesToHexString(base::Md5(
      absl::StrCat("wandb-artifact-manifest-v1\n", file, ":", md5, "\n"))));
  record.set_client_id(ClientId(absl::StrCat(name, "\n", record.digest())));
  record.set_sequence_client_id(ClientId(name));

  wandb::ArtifactManifest* const manifest = record.mutable_manifest();
  manifest->set_version(1);
  manifest->set_storage_policy("wandb-storage-policy-v1");
  wandb::ArtifactManifest::StoragePolicyConfig* const storage =
      manifest->add_storage_policy_config();
  storage->set_key("storageLayout");
  storage->set_value_json("\"V2\"");
  wandb::ArtifactManifest::Entry* const entry = manifest->add_contents();
  entry->set_path(file);
  entry->set_digest(md5);
  entry->set_size(digest->size);
  entry->set_local_path(kept.string());
  return record;
}

}  // namespace cnn_fp4::telemetry
