#include "tools/fp4/test_files.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "glog/logging.h"
#include "gtest/gtest.h"

namespace cnn_fp4::fp4 {

namespace fs = std::filesystem;
using safetensors::DType;

TestTensor FloatTensor(const std::string& name, std::vector<int64_t> shape,
                       absl::Span<const float> values, DType dtype) {
  TestTensor tensor = {name, dtype, std::move(shape), {}};
  for (const float value : values) {
    uint8_t bytes[sizeof(float)];
    std::memcpy(bytes, &value, sizeof(bytes));
    const int skip = dtype == DType::kBf16 ? 2 : 0;
    tensor.bytes.insert(tensor.bytes.end(), bytes + skip,
                        bytes + sizeof(bytes));
  }
  return tensor;
}

std::vector<float> TestValues(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> binade(-12, 3);
  std::vector<float> values(n);
  float scale = 1.0f;
  for (int64_t i = 0; i < n; ++i) {
    if (i % 8 == 0) scale = std::ldexp(1.0f, binade(random));
    values[i] = normal(random) * scale;
    if (i % 29 == 7) values[i] = 0.0f;
    if (i % 31 == 5) values[i] = -0.0f;
  }
  return values;
}

std::vector<float> TestValuesBf16(int64_t n, uint32_t seed) {
  std::vector<float> values = TestValues(n, seed);
  for (float& value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    bits &= 0xFFFF0000u;
    std::memcpy(&value, &bits, sizeof(bits));
  }
  return values;
}

TestDirectory::TestDirectory() {
  // Every written file is synced, which takes seconds on a busy disk; memory
  // does not mind.
  for (const std::string& parent :
       {std::string("/dev/shm"), ::testing::TempDir()}) {
    std::string pattern = parent + "/fp4.XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) continue;
    path_ = pattern;
    return;
  }
  LOG(FATAL) << "no directory for test files";
}

TestDirectory::~TestDirectory() { fs::remove_all(path_); }

std::string TestDirectory::Path(const std::string& name) const {
  return path_ + "/" + name;
}

std::string TestDirectory::Write(const std::string& name,
                                 const std::vector<TestTensor>& tensors,
                                 const safetensors::Metadata& metadata) const {
  std::vector<safetensors::TensorSpec> specs;
  for (const TestTensor& tensor : tensors) {
    specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  auto writer = safetensors::Writer::Create(Path(name), specs, metadata);
  CHECK(writer.ok()) << writer.status();
  for (const TestTensor& tensor : tensors) {
    const auto status = (*writer)->Write(tensor.name, 0, tensor.bytes);
    CHECK(status.ok()) << status;
  }
  const auto status = (*writer)->Finish();
  CHECK(status.ok()) << status;
  return Path(name);
}

std::string TestDirectory::WriteText(const std::string& name,
                                     const std::string& text) const {
  std::ofstream(Path(name), std::ios::binary) << text;
  return Path(name);
}

int TestDirectory::NumFiles() const {
  return static_cast<int>(
      std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace cnn_fp4::fp4
