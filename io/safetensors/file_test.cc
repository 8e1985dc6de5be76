// Reader and Writer over real files.

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/safetensors/reader.h"
#include "io/safetensors/writer.h"

namespace cnn_fp4::safetensors {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/safetensors.XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) { return directory_ + "/" + name; }

  static void Put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string Get(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  int NumFiles() {
    return static_cast<int>(std::distance(fs::directory_iterator(directory_),
                                          fs::directory_iterator()));
  }
  std::string OpenError(const std::string& bytes) {
    const std::string path = Path("bad");
    Put(path, bytes);
    const auto reader = Reader::Open(path);
    EXPECT_FALSE(reader.ok());
    const std::string message(reader.status().message());
    EXPECT_EQ(message.rfind(path + ": ", 0), 0u) << message;
    return message;
  }

  std::string directory_;
};

std::string Length(uint64_t n) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(n >> 8 * i));
  return out;
}

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const std::string path = Path("a.safetensors");
  auto writer = Writer::Create(path,
                               {{"bytes", DType::kU8, {3}},
                                {"half", DType::kF16, {1, 2}},
                                {"empty", DType::kF32, {0, 7}},
                                {"scalar", DType::kF64, {}}},
                               {{"k", "v"}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_FALSE(fs::exists(path));
  const std::vector<uint8_t> eight = {1, 2, 3, 4, 5, 6, 7, 8};
  const absl::Span<const uint8_t> data(eight);
  ASSERT_TRUE((*writer)->Write("scalar", 0, data).ok());
  ASSERT_TRUE((*writer)->Write("half", 2, data.first(2)).ok());
  ASSERT_TRUE((*writer)->Write("half", 0, data.last(2)).ok());
  ASSERT_TRUE((*writer)->Write("bytes", 0, data.first(3)).ok());
  const absl::Status status = (*writer)->Finish();
  ASSERT_TRUE(status.ok()) << status;

  const auto reader = Reader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->metadata().at("k"), "v");
  ASSERT_EQ(reader->tensors().size(), 4u);
  // Wider types first, so that all are aligned.
  EXPECT_EQ(reader->tensors()[0].name, "scalar");
  for (const TensorInfo& info : reader->tensors()) {
    const auto address = reinterpret_cast<uintptr_t>(reader->Data(info).data());
    EXPECT_EQ(address % (DTypeBits(info.dtype) / 8), 0u) << info.name;
  }
  EXPECT_THAT(reader->Data(*reader->Find("half")), ElementsAre(7, 8, 1, 2));
  EXPECT_THAT(reader->Data(*reader->Find("bytes")), ElementsAre(1, 2, 3));
  EXPECT_THAT(reader->Data(*reader->Find("empty")), ElementsAre());
  EXPECT_EQ(reader->Find("nothing"), nullptr);
  EXPECT_EQ(NumFiles(), 1);
}

TEST_F(FileTest, ReleasedPagesReadTheSame) {
  const std::string path = Path("a");
  const std::vector<uint8_t> bytes(1 << 20, 7);
  auto writer = Writer::Create(path, {{"t", DType::kU8, {1 << 20}}}, {});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write("t", 0, bytes).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto reader = Reader::Open(path);
  ASSERT_TRUE(reader.ok());
  const TensorInfo& info = reader->tensors()[0];
  EXPECT_EQ(reader->Data(info), absl::MakeConstSpan(bytes));
  reader->Release(info);
  reader->Release(info, 1, 2);
  EXPECT_EQ(reader->Data(info), absl::MakeConstSpan(bytes));
}

TEST_F(FileTest, WithoutFinishTheOldFileStays) {
  const std::string path = Path("a");
  Put(path, "old");
  {
    auto writer = Writer::Create(path, {{"t", DType::kU8, {1}}}, {});
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(NumFiles(), 2);
  }
  EXPECT_EQ(Get(path), "old");
  EXPECT_EQ(NumFiles(), 1);
}

TEST_F(FileTest, AnIncompleteTensorIsNotFinished) {
  const std::string path = Path("a");
  auto writer = Writer::Create(path, {{"t", DType::kU8, {2}}}, {});
  ASSERT_TRUE(writer.ok());
  const std::vector<uint8_t> byte = {1};
  ASSERT_TRUE((*writer)->Write("t", 0, byte).ok());
  const absl::Status status = (*writer)->Finish();
  EXPECT_THAT(status.message(), HasSubstr("tensor 't': 1 of 2 bytes"));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(FileTest, TheModeIsThatOfTheFileReplaced) {
  const std::string path = Path("a");
  Put(path, "old");
  chmod(path.c_str(), 0640);
  auto writer = Writer::Create(path, {}, {});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_TRUE(Reader::Open(path).ok());
}

TEST_F(FileTest, WriterRefusesBadSpecsAndRanges) {
  const std::string path = Path("a");
  EXPECT_THAT(
      Writer::Create(path, {{"t", DType::kU8, {1}}, {"t", DType::kU8, {1}}}, {})
          .status()
          .message(),
      HasSubstr("two tensors are named 't'"));
  EXPECT_THAT(Writer::Create(path, {{"__metadata__", DType::kU8, {}}}, {})
                  .status()
                  .message(),
              HasSubstr("reserved"));
  EXPECT_THAT(
      Writer::Create(path, {{"t", DType::kU8, {-1}}}, {}).status().message(),
      HasSubstr("negative extent"));
  EXPECT_THAT(Writer::Create(directory_, {}, {}).status().message(),
              HasSubstr("not a regular file"));
  EXPECT_THAT(Writer::Create("/dev/null", {}, {}).status().message(),
              HasSubstr("not a regular file"));
  EXPECT_FALSE(Writer::Create(Path("no/such/directory"), {}, {}).ok());
  auto writer = Writer::Create(path, {{"t", DType::kU8, {2}}}, {});
  ASSERT_TRUE(writer.ok());
  const std::vector<uint8_t> bytes = {1, 2};
  EXPECT_FALSE((*writer)->Write("u", 0, bytes).ok());
  EXPECT_FALSE((*writer)->Write("t", 1, bytes).ok());
  EXPECT_FALSE((*writer)->Write("t", -1, bytes).ok());
  EXPECT_FALSE((*writer)->Write("t", INT64_MAX, bytes).ok());
}

TEST_F(FileTest, AFullDiskIsNoticedBeforeTheWork) {
  // A limit on the file size stands in for the disk.
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit limit = old;
  limit.rlim_cur = 1 << 16;
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto writer =
      Writer::Create(Path("a"), {{"t", DType::kU8, {1 << 20}}}, {});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_THAT(writer.status().message(), HasSubstr("cannot reserve"));
  EXPECT_EQ(NumFiles(), 0);
}

TEST_F(FileTest, BadFilesAreRefused) {
  EXPECT_THAT(OpenError(""), HasSubstr("0 bytes are too few"));
  EXPECT_THAT(OpenError("1234567"), HasSubstr("7 bytes are too few"));
  EXPECT_THAT(OpenError(Length(uint64_t{1} << 60) + "{}"),
              HasSubstr("header length 1152921504606846976 exceeds"));
  EXPECT_THAT(OpenError(Length(~uint64_t{0}) + "{}"),
              HasSubstr("header length 18446744073709551615 exceeds"));
  EXPECT_THAT(OpenError(Length(3) + "{}"), HasSubstr("truncated?"));
  EXPECT_THAT(OpenError(Length(0)), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(OpenError(Length(2) + "{}x"), HasSubstr("file has 1 bytes"));
  EXPECT_THAT(Reader::Open(Path("missing")).status().message(),
              HasSubstr("cannot open"));
  EXPECT_THAT(Reader::Open(directory_).status().message(),
              HasSubstr("not a regular file"));
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_THAT(Reader::Open(Path("fifo")).status().message(),
              HasSubstr("not a regular file"));
}

TEST_F(FileTest, EveryTruncationOfAFileIsRefused) {
  const std::string path = Path("a");
  auto writer = Writer::Create(
      path, {{"a", DType::kF32, {2}}, {"b", DType::kU8, {3}}}, {{"k", "v"}});
  ASSERT_TRUE(writer.ok());
  const std::vector<uint8_t> bytes(8, 1);
  ASSERT_TRUE((*writer)->Write("a", 0, bytes).ok());
  ASSERT_TRUE(
      (*writer)->Write("b", 0, absl::MakeConstSpan(bytes).first(3)).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const std::string whole = Get(path);
  const std::vector<uint8_t> copy(whole.begin(), whole.end());
  EXPECT_TRUE(Reader::FromBytes("whole", copy).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    // Exact size on the heap: a read beyond it is seen by a sanitizer.
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + size);
    EXPECT_FALSE(Reader::FromBytes("cut", cut).ok()) << size;
  }
}

}  // namespace
}  // namespace cnn_fp4::safetensors
