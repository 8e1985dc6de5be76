#ifndef EXPERIMENTS_FINISHED_RECORD_H_
#define EXPERIMENTS_FINISHED_RECORD_H_

// For tests of studies: the arm.json of a cell that was trained.

#include "experiments/arm_record.h"
#include "experiments/study_spec.h"

namespace cnn_fp4::experiments {

// What ties a record to its cell; metrics and machine are the test's own.
inline ArmRecord FinishedRecord(const Cell& cell) {
  ArmRecord record;
  record.arm = cell.arm;
  record.policy = cell.policy;
  record.seed = cell.seed();
  record.digest = cell.digest;
  record.finished = true;
  return record;
}

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_FINISHED_RECORD_H_
