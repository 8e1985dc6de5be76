#ifndef NN_GEMM_GEMM_OBSERVER_H_
#define NN_GEMM_GEMM_OBSERVER_H_

// Sees the operands of the emulated GEMMs while a net runs: what was
// multiplied, not a second quantisation of it. Register one with an
// ObserverScope (quant_context.h).

#include <string>

#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {

// Where an operand belongs.
struct GemmSite {
  const std::string& layer;  // "enc1.conv1"
  Operand operand;
  const OperandFormat& format;
};

// Called by the thread that runs the net, without gradients being recorded.
class GemmObserver {
 public:
  virtual ~GemmObserver() = default;

  // Before OnOperand, and where an operand cannot be made: the high-precision
  // source, NCHW or OIHW.
  virtual void OnSource(const GemmSite& /*site*/,
                        const at::Tensor& /*source*/) {}

  // The operand as it is multiplied. `taken_apart` is null for plain formats.
  virtual void OnOperand(const GemmSite& /*site*/, const at::Tensor& /*source*/,
                         const GemmOperand& /*operand*/,
                         const QuantizedOperand* /*taken_apart*/) {}
};

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_GEMM_OBSERVER_H_
