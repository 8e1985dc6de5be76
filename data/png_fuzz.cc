// Any bytes as a PNG: an error or pixels of the declared size, never a crash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "data/exif.h"
#include "data/image.h"
#include "data/png_decoder.h"
#include "glog/logging.h"
#include "zlib.h"

namespace cnn_fp4::data {
namespace {

constexpr int64_t kMaxPixels = 1 << 16;

void Decode(absl::string_view bytes) {
  const absl::StatusOr<ImageSize> size = PngSize(bytes, "input", kMaxPixels);
  absl::StatusOr<Image> image = DecodePngImage(bytes, "input", kMaxPixels);
  if (image.ok()) {
    CHECK(size.ok()) << size.status();
    CHECK_EQ(image->width, size->width);
    CHECK_EQ(image->height, size->height);
    CHECK_EQ(image->channels, 3);
    const size_t values = image->pixels.size();
    CHECK_EQ(values, size_t{3} * image->width * image->height);
    image->orientation = StoredOrientation(bytes);
    Turn(&*image);
    CHECK_EQ(image->pixels.size(), values);
  }
  const absl::StatusOr<LabelMap> labels =
      DecodePngLabels(bytes, "input", kMaxPixels);
  if (labels.ok()) {
    CHECK(size.ok()) << size.status();
    CHECK_EQ(labels->values.size(), static_cast<size_t>(size->width) *
                                        static_cast<size_t>(size->height));
  }
}

// The same with the right checksum behind each chunk, without which nothing of
// a changed chunk would be read.
std::string WithChecksums(absl::string_view bytes) {
  constexpr size_t kSignature = 8;
  constexpr size_t kHead = 8;  // Length and kind.
  std::string mended(bytes);
  size_t at = kSignature;
  while (at + kHead + 4 <= mended.size()) {
    const auto byte = [&](size_t i) {
      return static_cast<size_t>(static_cast<unsigned char>(mended[i]));
    };
    const size_t length =
        byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    const size_t end =
        at + kHead + std::min(length, mended.size() - at - kHead - 4);
    const uLong checksum =
        crc32(0, reinterpret_cast<const Bytef*>(mended.data() + at + 4),
              static_cast<uInt>(end - at - 4));
    for (int i = 0; i < 4; ++i) {
      mended[end + i] = static_cast<char>(checksum >> (24 - 8 * i));
    }
    at = end + 4;
  }
  return mended;
}

}  // namespace
}  // namespace cnn_fp4::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  cnn_fp4::data::Decode(bytes);
  cnn_fp4::data::Decode(cnn_fp4::data::WithChecksums(bytes));
  return 0;
}
