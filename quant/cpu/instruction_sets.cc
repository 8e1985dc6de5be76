#include "quant/cpu/instruction_sets.h"

#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace cnn_fp4::quant::cpu {

std::vector<InstructionSet> SupportedInstructionSets() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<InstructionSet> sets;
  // Better targets have lower bits.
  for (const int64_t id : hwy::SupportedAndGeneratedTargets()) {
    sets.push_back({hwy::TargetName(id), id});
  }
  return sets;
}

void UseInstructionSet(int64_t id) {
  hwy::SetSupportedTargetsForTest(id);
  // The next dispatch chooses anew.
  hwy::GetChosenTarget().DeInit();
}

}  // namespace cnn_fp4::quant::cpu
