#include "telemetry/sinks/wandb_artifact.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class WandbArtifactTest : public ::testing::Test {
 protected:
  WandbArtifactTest() : directory_(::testing::TempDir() + "/artifact") {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    std::ofstream(Path()) << "hello weights";
  }
  std::string Path() const { return directory_ + "/model.safetensors"; }

  const std::string directory_;
  const Artifact artifact_ = {3, "weights", "model", "model.safetensors"};
  const WandbArtifactRun run_ = {"uvvz2xpo", "p", "e", directory_ + "/run"};
};

// The digests are those that wandb 0.28.2 wrote of the same file in an offline
// run: run.log_artifact of an Artifact with add_file("model.safetensors").
TEST_F(WandbArtifactTest, IsWhatWandbWrites) {
  const auto record = MakeWandbArtifact(artifact_, Path(), run_);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->digest(), "e86fde3cd4111add88bfa69a3a8b1d24");
  EXPECT_EQ(record->run_id(), "uvvz2xpo");
  EXPECT_EQ(record->project(), "p");
  EXPECT_EQ(record->entity(), "e");
  EXPECT_EQ(record->type(), "model");
  EXPECT_EQ(record->name(), "weights-uvvz2xpo");
  EXPECT_THAT(record->aliases(), ::testing::ElementsAre("latest"));
  EXPECT_TRUE(record->finalize());
  EXPECT_EQ(record->client_id().size(), 128u);
  EXPECT_EQ(record->sequence_client_id().size(), 128u);
  EXPECT_NE(record->client_id(), record->sequence_client_id());
  const wandb::ArtifactManifest& manifest = record->manifest();
  EXPECT_EQ(manifest.version(), 1);
  EXPECT_EQ(manifest.storage_policy(), "wandb-storage-policy-v1");
  ASSERT_EQ(manifest.contents_size(), 1);
  EXPECT_EQ(manifest.contents(0).path(), "model.safetensors");
  EXPECT_EQ(manifest.contents(0).digest(), "pqsKIAsj7icYrPMo+CMYPA==");
  EXPECT_EQ(manifest.contents(0).size(), 13);
  EXPECT_TRUE(fs::path(manifest.contents(0).local_path()).is_absolute());
  EXPECT_EQ(Contents(manifest.contents(0).local_path()), "hello weights");
}

// What replaces the file later is another version.
TEST_F(WandbArtifactTest, StaysWhatItWas) {
  const auto before = MakeWandbArtifact(artifact_, Path(), run_);
  std::ofstream(Path() + ".new") << "other weights";
  fs::rename(Path() + ".new", Path());
  EXPECT_EQ(Contents(before->manifest().contents(0).local_path()),
            "hello weights");
  const auto after = MakeWandbArtifact(artifact_, Path(), run_);
  EXPECT_NE(before->client_id(), after->client_id());
  EXPECT_EQ(before->sequence_client_id(), after->sequence_client_id());
}

TEST_F(WandbArtifactTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status =
      MakeWandbArtifact(artifact_, directory_ + "/none", run_).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/none"));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
