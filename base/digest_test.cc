#include "base/digest.h"

#include <fstream>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

// FIPS 180-4's examples.
TEST(Sha256Hex, KnowsTheStandardsExamples) {
  EXPECT_EQ(Sha256Hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// RFC 1321's examples.
TEST(Md5, KnowsTheStandardsExamples) {
  EXPECT_EQ(absl::BytesToHexString(Md5("")),
            "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(absl::BytesToHexString(Md5("message digest")),
            "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Md5, OfAFileIsThatOfItsBytes) {
  const std::string path = ::testing::TempDir() + "/bytes";
  // More than is read at once.
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += std::to_string(i);
  std::ofstream(path) << bytes;
  const auto digest = Md5OfFile(path);
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->bytes, Md5(bytes));
  EXPECT_EQ(digest->size, static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(absl::IsNotFound(Md5OfFile(path + ".none").status()));
}

}  // namespace
}  // namespace cnn_fp4::base
