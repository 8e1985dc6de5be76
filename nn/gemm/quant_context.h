#ifndef NN_GEMM_QUANT_CONTEXT_H_
#define NN_GEMM_QUANT_CONTEXT_H_

// What all quantised layers of one net share while it runs: the seed and step
// of their random bits, the GEMMs that multiply, and who watches. The trainer
// advances the step; Quantize (nn/layers/quantize.h) hands the context to the
// layers.

#include <cstdint>
#include <vector>

#include "nn/gemm/conv_gemms.h"
#include "nn/gemm/gemm_observer.h"

namespace cnn_fp4::nn {

struct QuantContext {
  // Key of the stochastic roundings, with a stream for each operand of each
  // layer.
  uint32_t seed = 0;
  // Steps attempted before this one, skipped ones included: new random bits in
  // each step, the same ones after a resume.
  int64_t step = 0;

  const ConvGemms* gemms = &AtenFp32Gemms();

  // Not owned; ObserverScope adds and removes them.
  std::vector<GemmObserver*> observers;
};

// Lets `observer` watch the net of `context` as long as the scope lives. Scopes
// on one context end in the opposite order of their beginning.
class ObserverScope {
 public:
  ObserverScope(QuantContext& context, GemmObserver& observer)
      : context_(context) {
    context_.observers.push_back(&observer);
  }
  ~ObserverScope() { context_.observers.pop_back(); }

  ObserverScope(const ObserverScope&) = delete;
  ObserverScope& operator=(const ObserverScope&) = delete;

 private:
  QuantContext& context_;
};

}  // namespace cnn_fp4::nn

#endif  // NN_GEMM_QUANT_CONTEXT_H_
