#include "telemetry/sinks/wandb_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/sinks/wandb_sink_fixture.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAreArray;

TEST_F(WandbSinkTest, ARunThatWasCutOffHasNoExitRecord) {
  const auto sink = WandbSink::Create(Options());
  std::vector<Record> records = Records();
  records.resize(6);
  WriteAll(records, *sink);
  ASSERT_TRUE(sink->Finish().ok());
  const auto read = Parse(Runs().begin()->second);
  ASSERT_EQ(read.size(), 9u);
  EXPECT_EQ(ByKey(read.back().history().item()).at("_step"), "2");
}

TEST_F(WandbSinkTest, AFileThatIsCutOffAnywhereLosesItsLastRecord) {
  const auto sink = WandbSink::Create(Options());
  WriteAll(Records(), *sink);
  const std::string bytes = Runs().begin()->second;
  const auto all = ReadRecords(bytes);
  size_t found = 0;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const auto some = ReadRecords(bytes.substr(0, size));
    ASSERT_LE(found, some.size());
    ASSERT_LE(some.size(), found + 1);  // One after the other comes back.
    found = some.size();
    for (size_t i = 0; i < found; ++i) EXPECT_EQ(some[i], all[i]);
  }
  EXPECT_EQ(found, 11u);
}

// Sizes around the ends of a block of 32 KiB, where a record is cut in pieces
// and the room for a chunk's header may run out.
TEST(WandbFileTest, RecordsOfAllSizesComeBack) {
  const std::string path = ::testing::TempDir() + "/sizes.wandb";
  for (size_t size = 32768 - 7 - 30; size < 32768 - 7 + 10; ++size) {
    fs::remove(path);
    auto file = WandbFile::Create(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const std::vector<std::string> records = {std::string(size, 'a'), "", "b",
                                              std::string(100000, 'c'), "d"};
    for (const std::string& record : records) {
      ASSERT_TRUE((*file)->Append(record).ok());
    }
    ASSERT_TRUE((*file)->Close().ok());
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(ReadRecords(bytes), ElementsAreArray(records)) << size;
  }
}

// The first record of a file that W&B's own library wrote.
TEST(WandbFileTest, TheFramingIsWandbs) {
  const std::string path = ::testing::TempDir() + "/vector.wandb";
  fs::remove(path);
  auto file = WandbFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append(absl::string_view("\xaa\x01\x00", 3)).ok());
  ASSERT_TRUE((*file)->Close().ok());
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(bytes.substr(7),
            std::string("\x8e\x51\x0c\x54\x03\x00\x01\xaa\x01\x00", 10));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
