// Every allocation of the quantiser fails once, on whatever thread it is: a
// Status, never the end of the process.

#include <omp.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/parallel.h"
#include "quant/quantizer.h"

namespace {

// Allocations until the one that fails; negative: none does.
std::atomic<int64_t> allocations_left{-1};

// The largest allocation since it was set to 0.
std::atomic<size_t> largest_allocation{0};

void* Allocate(size_t size, size_t alignment) {
  // A maximum; a lost update among threads would be of another large one.
  if (size > largest_allocation) largest_allocation = size;
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size) != 0) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return Allocate(size, 16); }
void* operator new(size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<size_t>(alignment));
}
// Also these: a sanitizer's own do not call the ones above.
void* operator new[](size_t size) { return Allocate(size, 16); }
void* operator new[](size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  free(memory);
}
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept {
  free(memory);
}
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  free(memory);
}

namespace cnn_fp4::quant {
namespace {

// Calls call() with the first, second, ... allocation failing, until none is
// left to fail.
template <class Call>
void ExpectStatusOfEachFailure(const Call& call) {
  int failures = 0;
  for (;; ++failures) {
    ASSERT_LT(failures, 10000);
    allocations_left = failures;
    const absl::Status status = call();
    const bool failed = allocations_left < 0;
    allocations_left = -1;
    if (!failed) {
      EXPECT_TRUE(status.ok()) << status;
      break;
    }
    // Some functions find a way with less memory.
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    }
  }
  EXPECT_GT(failures, 0);
}

class OutOfMemoryTest : public ::testing::TestWithParam<std::string> {
 protected:
  OutOfMemoryTest() {
    omp_set_num_threads(2);
    cpu::SetWorthThreadsForTest(1);
  }
  ~OutOfMemoryTest() override {
    cpu::SetWorthThreadsForTest(65536);
    omp_set_num_threads(max_threads_);
  }

 private:
  const int max_threads_ = omp_get_max_threads();
};

TEST_P(OutOfMemoryTest, IsAStatus) {
  const Recipe recipe = FindRecipe(GetParam()).value();
  for (const int axis : {1, 0}) {
    if (recipe.block_rows > 1 && axis == 0) continue;
    const BlockGrid grid = BlockGrid::Along({2048, 32}, axis, recipe).value();
    std::vector<float> x(grid.size());
    std::vector<uint16_t> narrow(grid.size());
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i % 101);
      narrow[i] = static_cast<uint16_t>(i % 0x4000);
    }
    std::vector<float> y(x.size());
    std::vector<uint16_t> narrow_y(x.size());
    ExpectStatusOfEachFailure(
        [&] { return FakeQuantize(recipe, grid, x, absl::MakeSpan(y)); });
    ExpectStatusOfEachFailure(
        [&] { return Quantize(recipe, grid, x).status(); });
    ExpectStatusOfEachFailure([&] {
      return FakeQuantize(
          recipe, grid, TensorView::Bfloat16(narrow),
          MutableTensorView::Bfloat16(absl::MakeSpan(narrow_y)));
    });
    ExpectStatusOfEachFailure([&] {
      return Quantize(recipe, grid, TensorView::Bfloat16(narrow)).status();
    });
    const PackedTensor packed = Quantize(recipe, grid, x).value();
    ExpectStatusOfEachFailure(
        [&] { return Dequantize(packed, absl::MakeSpan(y)); });
  }
}

INSTANTIATE_TEST_SUITE_P(Recipes, OutOfMemoryTest,
                         ::testing::Values("nvfp4", "nvfp4_2d", "mxfp4+sr8",
                                           "nvfp4+rht", "nvfp4_rowscaled",
                                           "nvfp4_four_over_six+block=0",
                                           "fp4_per_channel"),
                         [](const ::testing::TestParamInfo<std::string>& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) ==
                                 0)
                               c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace cnn_fp4::quant
