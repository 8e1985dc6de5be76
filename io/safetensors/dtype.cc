#include "io/safetensors/dtype.h"

#include "glog/logging.h"

namespace cnn_fp4::safetensors {
namespace {

struct Row {
  DType dtype;
  absl::string_view name;
  int64_t bits;
};

constexpr Row kRows[] = {
    {DType::kBool, "BOOL", 8},
    {DType::kF4, "F4", 4},
    {DType::kF6E2m3, "F6_E2M3", 6},
    {DType::kF6E3m2, "F6_E3M2", 6},
    {DType::kU8, "U8", 8},
    {DType::kI8, "I8", 8},
    {DType::kF8E5m2, "F8_E5M2", 8},
    {DType::kF8E4m3, "F8_E4M3", 8},
    {DType::kF8E8m0, "F8_E8M0", 8},
    {DType::kF8E4m3Fnuz, "F8_E4M3FNUZ", 8},
    {DType::kF8E5m2Fnuz, "F8_E5M2FNUZ", 8},
    {DType::kI16, "I16", 16},
    {DType::kU16, "U16", 16},
    {DType::kF16, "F16", 16},
    {DType::kBf16, "BF16", 16},
    {DType::kI32, "I32", 32},
    {DType::kU32, "U32", 32},
    {DType::kF32, "F32", 32},
    {DType::kC64, "C64", 64},
    {DType::kF64, "F64", 64},
    {DType::kI64, "I64", 64},
    {DType::kU64, "U64", 64},
};

const Row& RowOf(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  CHECK_LT(index, sizeof(kRows) / sizeof(kRows[0]));
  CHECK(kRows[index].dtype == dtype) << "kRows is out of order at " << index;
  return kRows[index];
}

}  // namespace

absl::string_view DTypeName(DType dtype) { return RowOf(dtype).name; }

std::optional<DType> ParseDType(absl::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

int64_t DTypeBits(DType dtype) { return RowOf(dtype).bits; }

}  // namespace cnn_fp4::safetensors
