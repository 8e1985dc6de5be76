#ifndef TOOLS_FP4_TEST_FILES_H_
#define TOOLS_FP4_TEST_FILES_H_

// safetensors files for tests, in a directory that goes with the object.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "io/safetensors/writer.h"

namespace cnn_fp4::fp4 {

struct TestTensor {
  std::string name;
  safetensors::DType dtype = safetensors::DType::kF32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

// F32, or the upper halves of the floats for BF16.
TestTensor FloatTensor(const std::string& name, std::vector<int64_t> shape,
                       absl::Span<const float> values,
                       safetensors::DType dtype = safetensors::DType::kF32);

// n values over several binades, with zeros of both signs; the same for the
// same seed.
std::vector<float> TestValues(int64_t n, uint32_t seed);

// The same rounded to BF16 by truncation: blocks then have exact ties.
std::vector<float> TestValuesBf16(int64_t n, uint32_t seed);

class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory();
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string Path(const std::string& name) const;
  // Returns the path.
  std::string Write(const std::string& name,
                    const std::vector<TestTensor>& tensors,
                    const safetensors::Metadata& metadata = {}) const;
  std::string WriteText(const std::string& name, const std::string& text) const;
  int NumFiles() const;

 private:
  std::string path_;
};

// The whole file.
std::string ReadText(const std::string& path);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_TEST_FILES_H_
