// Any bytes as a JPEG: an error or pixels of the declared size, never a crash.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "data/exif.h"
#include "data/image.h"
#include "data/jpeg_decoder.h"
#include "glog/logging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cnn_fp4::data;  // NOLINT(google-build-using-namespace)
  constexpr int64_t kMaxPixels = 1 << 16;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const int orientation = StoredOrientation(bytes);
  const absl::StatusOr<ImageSize> declared =
      JpegSize(bytes, "input", kMaxPixels);
  absl::StatusOr<Image> image = DecodeJpeg(bytes, "input", kMaxPixels);
  if (!image.ok()) return 0;
  CHECK(declared.ok()) << declared.status();
  CHECK_EQ(image->width, declared->width);
  CHECK_EQ(image->height, declared->height);
  const size_t values = image->pixels.size();
  CHECK_EQ(values, size_t{3} * image->width * image->height);
  image->orientation = orientation;
  Turn(&*image);
  CHECK_EQ(image->pixels.size(), values);
  return 0;
}
