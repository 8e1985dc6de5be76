// Any bytes as a list of images and masks: an error or lines, never a crash.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "data/list_file.h"
#include "glog/logging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cnn_fp4::data;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::vector<ListLine>> lines =
      ParseList(text, "/root", "list");
  if (!lines.ok()) {
    // One line for people, however long the text that it quotes.
    CHECK_LT(lines.status().message().size(), 1000u);
    return 0;
  }
  CHECK(!lines->empty());
  int last = 0;
  for (const ListLine& line : *lines) {
    CHECK_GT(line.number, last);
    last = line.number;
    CHECK(!line.name.empty());
    CHECK(absl::StartsWith(line.image_path, "/"));
    CHECK(absl::StartsWith(line.mask_path, "/"));
  }
  return 0;
}
