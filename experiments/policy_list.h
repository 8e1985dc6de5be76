#ifndef EXPERIMENTS_POLICY_LIST_H_
#define EXPERIMENTS_POLICY_LIST_H_

// The named policies as text for people: --list_policies.

#include <string>

namespace cnn_fp4::experiments {

// For each policy its names, its sentence, and the format of each operand.
std::string ListPolicies();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_POLICY_LIST_H_
