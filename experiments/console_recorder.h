#ifndef EXPERIMENTS_CONSOLE_RECORDER_H_
#define EXPERIMENTS_CONSOLE_RECORDER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/console.h"
#include "telemetry/run.h"

namespace cnn_fp4::experiments {

// Records what a person who watches the arm sees.
class ConsoleRecorder {
 public:
  ConsoleRecorder(const std::string& arm, telemetry::Run& run) {
    base::Console::Stderr().SetListener([arm, &run](absl::string_view line) {
      run.Log({telemetry::Text{"console", std::string(line)}, arm});
    });
  }
  ~ConsoleRecorder() { base::Console::Stderr().SetListener({}); }
};

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_CONSOLE_RECORDER_H_
