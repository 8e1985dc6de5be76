#ifndef DATA_DESCRIBE_H_
#define DATA_DESCRIBE_H_

// The line that every Dataset::Describe() returns.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/image.h"

namespace cnn_fp4::data {

// Smallest and largest width and height seen so far.
class SizeRange {
 public:
  void Add(ImageSize size);
  // "256x256", or "256x256 to 360x320" (each side on its own).
  std::string ToString() const;

 private:
  bool empty_ = true;
  ImageSize min_;
  ImageSize max_;
};

// "TITLE: 65 images, 256x256 to 360x360, 2 classes (background, nucleus)".
// At most ten names are given.
std::string DescribeDataset(absl::string_view title, int64_t count,
                            const SizeRange& sizes,
                            const std::vector<std::string>& class_names);

}  // namespace cnn_fp4::data

#endif  // DATA_DESCRIBE_H_
