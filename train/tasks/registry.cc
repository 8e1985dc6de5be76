// CreateTask: see train/task.h. A new task is a line here and its files beside.

#include "glog/logging.h"
#include "train/task.h"
#include "train/tasks/semantic_segmentation.h"

namespace cnn_fp4::train {

std::unique_ptr<Task> CreateTask(const TaskSpec& spec) {
  if (spec.task == "semantic") return NewSemanticSegmentation(spec);
  LOG(FATAL) << "no task is called '" << spec.task << "'";
}

}  // namespace cnn_fp4::train
