#ifndef QUANT_GUARDED_CALL_H_
#define QUANT_GUARDED_CALL_H_

// What every function of quant/quantizer.h is wrapped in: the library's
// floating-point environment for the caller's thread, and a Status where memory
// runs out, since the containers within throw.
//
//   return Guarded([&] { return QuantizeNow(recipe, grid, x, options); });

#include <new>

#include "absl/status/status.h"
#include "quant/float_environment.h"

namespace cnn_fp4::quant {

// call() in the library's environment; its result, an absl::Status or
// absl::StatusOr, or ResourceExhausted if it throws std::bad_alloc.
template <class Call>
auto Guarded(const Call& call) -> decltype(call()) {
  const FloatEnvironment environment;
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("quantiser: out of memory");
  }
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_GUARDED_CALL_H_
