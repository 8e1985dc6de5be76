#include "base/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::base {
namespace {

std::string Digest(absl::string_view bytes, const EVP_MD* kind) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK_EQ(EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind,
                      /*impl=*/nullptr),
           1);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

constexpr size_t kPiece = size_t{1} << 20;

}  // namespace

std::string Sha256Hex(absl::string_view bytes) {
  return absl::BytesToHexString(Digest(bytes, EVP_sha256()));
}

std::string Md5(absl::string_view bytes) { return Digest(bytes, EVP_md5()); }

absl::StatusOr<FileDigest> Md5OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK_EQ(EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr), 1);
  FileDigest digest;
  std::vector<char> piece(kPiece);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())),
         file.gcount() > 0) {
    CHECK_EQ(EVP_DigestUpdate(context.get(), piece.data(),
                              static_cast<size_t>(file.gcount())),
             1);
    digest.size += file.gcount();
  }
  if (file.bad()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  }
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK_EQ(EVP_DigestFinal_ex(context.get(), bytes, &size), 1);
  digest.bytes.assign(reinterpret_cast<const char*>(bytes), size);
  return digest;
}

}  // namespace cnn_fp4::base
