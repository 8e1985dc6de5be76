#include "data/jpeg_decoder.h"

#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs FILE.
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {
namespace {

// Everything between setjmp and longjmp; see Decoder in png_decoder.cc.
struct Decoder {
  jpeg_decompress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX] = "";
  Image image;

  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

void OnError(j_common_ptr jpeg) {
  auto* decoder = static_cast<Decoder*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, decoder->message);
  longjmp(decoder->on_error, 1);
}

// Level -1 is a warning: damaged data, which libjpeg would paper over.
void OnMessage(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_JPEG_EOF:
    case JWRN_HUFF_BAD_CODE:
      OnError(jpeg);
  }
}

// Each scan of a progressive file goes over the whole image again, and a file
// of a few kilobytes can have thousands. Encoders make about ten.
void OnProgress(j_common_ptr jpeg) {
  constexpr int kMaxScans = 100;
  auto* decoder = static_cast<Decoder*>(jpeg->client_data);
  if (decoder->jpeg.input_scan_number <= kMaxScans) return;
  std::snprintf(decoder->message, sizeof(decoder->message),
                "more than %d scans", kMaxScans);
  longjmp(decoder->on_error, 1);
}

// The two steps that libjpeg may leave by longjmp. Neither owns an object with
// a destructor.

bool ReadHeader(Decoder* decoder, absl::string_view bytes) {
  if (setjmp(decoder->on_error) != 0) return false;
  jpeg_create_decompress(&decoder->jpeg);
  decoder->progress.progress_monitor = OnProgress;
  decoder->jpeg.progress = &decoder->progress;
  jpeg_mem_src(&decoder->jpeg,
               reinterpret_cast<const unsigned char*>(bytes.data()),
               bytes.size());
  jpeg_read_header(&decoder->jpeg, TRUE);
  return true;
}

bool ReadPixels(Decoder* decoder) {
  if (setjmp(decoder->on_error) != 0) return false;
  jpeg_decompress_struct* jpeg = &decoder->jpeg;
  jpeg->out_color_space = JCS_RGB;  // From grey too.
  // The reference integer transform and triangle upsampling: what Pillow and
  // OpenCV use, so pixels are those that others see.
  jpeg->dct_method = JDCT_ISLOW;
  jpeg_start_decompress(jpeg);
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = decoder->image.pixels.data() +
                   size_t{3} * jpeg->output_scanline * jpeg->output_width;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_decompress(jpeg);
  return true;
}

absl::Status Damaged(const std::string& name, const Decoder& decoder) {
  return absl::DataLossError(
      absl::StrCat(name, ": damaged JPEG (", decoder.message,
                   "); copy or download the file again"));
}

// Reads the header and checks what it declares.
absl::Status Open(absl::string_view bytes, const std::string& name,
                  int64_t max_pixels, Decoder* decoder) {
  if (!IsJpeg(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": not a JPEG file; convert it to JPEG or PNG"));
  }
  decoder->jpeg.err = jpeg_std_error(&decoder->errors);
  decoder->jpeg.client_data = decoder;
  decoder->errors.error_exit = OnError;
  decoder->errors.emit_message = OnMessage;
  if (!ReadHeader(decoder, bytes)) return Damaged(name, *decoder);
  const int64_t width = decoder->jpeg.image_width;
  const int64_t height = decoder->jpeg.image_height;
  if (width * height > max_pixels) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": declares ", width, "x", height,
                     " pixels, more than the limit of ", max_pixels,
                     "; resize it or raise --max_pixels"));
  }
  const J_COLOR_SPACE color_space = decoder->jpeg.jpeg_color_space;
  if (color_space == JCS_CMYK || color_space == JCS_YCCK) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        ": a CMYK JPEG, whose colours depend on a printer profile; "
        "convert it to RGB"));
  }
  decoder->image.width = static_cast<int>(width);
  decoder->image.height = static_cast<int>(height);
  decoder->image.channels = 3;
  return absl::OkStatus();
}

}  // namespace

bool IsJpeg(absl::string_view bytes) {
  return bytes.size() >= 3 && bytes.substr(0, 3) == "\xff\xd8\xff";
}

absl::StatusOr<ImageSize> JpegSize(absl::string_view bytes,
                                   const std::string& name,
                                   int64_t max_pixels) {
  Decoder decoder;
  absl::Status status = Open(bytes, name, max_pixels, &decoder);
  if (!status.ok()) return status;
  return ImageSize{decoder.image.width, decoder.image.height};
}

absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes,
                                 const std::string& name, int64_t max_pixels) {
  Decoder decoder;
  absl::Status status = Open(bytes, name, max_pixels, &decoder);
  if (!status.ok()) return status;
  Image& image = decoder.image;
  image.pixels.resize(static_cast<size_t>(image.width) * image.height * 3);
  if (!ReadPixels(&decoder)) return Damaged(name, decoder);
  return std::move(image);
}

}  // namespace cnn_fp4::data
