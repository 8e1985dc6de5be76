#include "nn/precision/conv_precision.h"

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::nn {
namespace {

absl::string_view ToString(Blocking blocking) {
  switch (blocking) {
    case Blocking::kReductionAxis:
      return "along the reduction axis";
    case Blocking::kLastDimension:
      return "along the last dimension";
    case Blocking::kFlattened:
      return "of the flattened tensor";
  }
  LOG(FATAL) << "no text for blocking " << static_cast<int>(blocking);
}

}  // namespace

absl::string_view OperandName(Operand operand) {
  switch (operand) {
    case Operand::kFpropX:
      return "fprop_x";
    case Operand::kFpropW:
      return "fprop_w";
    case Operand::kDgradDy:
      return "dgrad_dy";
    case Operand::kDgradW:
      return "dgrad_w";
    case Operand::kWgradDy:
      return "wgrad_dy";
    case Operand::kWgradX:
      return "wgrad_x";
  }
  LOG(FATAL) << "no name for operand " << static_cast<int>(operand);
}

std::optional<Operand> FindOperand(absl::string_view name) {
  for (const Operand operand : kOperands) {
    if (OperandName(operand) == name) return operand;
  }
  return std::nullopt;
}

ConvPrecision ConvPrecision::Plain(PlainFormat format) {
  ConvPrecision precision;
  const OperandFormat operand{format, {}};
  precision.fprop_x = precision.fprop_w = operand;
  precision.dgrad_dy = precision.wgrad_dy = operand;
  precision.result = format;
  return precision;
}

const OperandFormat* ConvPrecision::Get(Operand operand) const {
  switch (operand) {
    case Operand::kFpropX:
      return &fprop_x;
    case Operand::kFpropW:
      return &fprop_w;
    case Operand::kDgradDy:
      return &dgrad_dy;
    case Operand::kDgradW:
      return dgrad_w ? &*dgrad_w : nullptr;
    case Operand::kWgradDy:
      return &wgrad_dy;
    case Operand::kWgradX:
      return wgrad_x ? &*wgrad_x : nullptr;
  }
  LOG(FATAL) << "no operand " << static_cast<int>(operand);
}

void ConvPrecision::Set(Operand operand, const OperandFormat& format) {
  switch (operand) {
    case Operand::kFpropX:
      fprop_x = format;
      return;
    case Operand::kFpropW:
      fprop_w = format;
      return;
    case Operand::kDgradDy:
      dgrad_dy = format;
      return;
    case Operand::kDgradW:
      dgrad_w = format;
      return;
    case Operand::kWgradDy:
      wgrad_dy = format;
      return;
    case Operand::kWgradX:
      wgrad_x = format;
      return;
  }
  LOG(FATAL) << "no operand " << static_cast<int>(operand);
}

bool ConvPrecision::quantized() const {
  for (const Operand operand : kOperands) {
    const OperandFormat* const format = Get(operand);
    if (format != nullptr && format->recipe() != nullptr) return true;
  }
  return false;
}

bool ConvPrecision::full_precision() const {
  const OperandFormat fp32;
  for (const Operand operand : kOperands) {
    const OperandFormat* const format = Get(operand);
    if (format != nullptr && *format != fp32) return false;
  }
  return result == PlainFormat::kFloat32;
}

bool operator==(const ConvPrecision& a, const ConvPrecision& b) {
  return a.fprop_x == b.fprop_x && a.fprop_w == b.fprop_w &&
         a.dgrad_dy == b.dgrad_dy && a.wgrad_dy == b.wgrad_dy &&
         a.dgrad_w == b.dgrad_w && a.wgrad_x == b.wgrad_x &&
         a.result == b.result;
}

absl::string_view ToString(PlainFormat format) {
  switch (format) {
    case PlainFormat::kFloat32:
      return "fp32";
    case PlainFormat::kFloat16:
      return "fp16";
    case PlainFormat::kBfloat16:
      return "bf16";
  }
  LOG(FATAL) << "no text for format " << static_cast<int>(format);
}

std::optional<PlainFormat> FindPlainFormat(absl::string_view name) {
  for (const PlainFormat format :
       {PlainFormat::kFloat32, PlainFormat::kFloat16, PlainFormat::kBfloat16}) {
    if (ToString(format) == name) return format;
  }
  return std::nullopt;
}

std::string ToString(const OperandFormat& format) {
  const quant::Recipe* const recipe = format.recipe();
  if (recipe == nullptr) {
    return std::string(ToString(std::get<PlainFormat>(format.format)));
  }
  return absl::StrCat(quant::ToString(*recipe), " ", ToString(format.blocking),
                      format.scaled ? ", scaled by a power of two" : "",
                      format.learned ? ", scale learnt" : "");
}

}  // namespace cnn_fp4::nn
