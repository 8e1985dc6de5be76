// The free study: arms, seeds and every field of the experiment are flags.

#include "base/process_start.h"
#include "experiments/study_program.h"

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  cnn_fp4::experiments::StudyProgram program;
  program.name = "study";
  program.description =
      "Trains every arm once with every seed and says how far the arms are "
      "from\n"
      "the first one, with confidence intervals over the seeds.\n\n"
      "  bazel run //experiments:study -- --arms=fp16,nvfp4:first=fp32 \\\n"
      "    --seeds=5 --output_dir=my_study\n\n"
      "With --conditions it does so on several data sets, or with nets of "
      "several\n"
      "widths. The same command continues a study that was stopped or "
      "killed.\n";
  program.free = true;
  return cnn_fp4::experiments::RunStudyProgram(program, argc, argv);
}
