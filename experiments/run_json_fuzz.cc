// Any bytes as run.json and as arm.json: an error or what they say, never a
// crash.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "experiments/arm_record.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_json.h"
#include "glog/logging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cnn_fp4::experiments;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<RunJsonContents> run = ParseRunJson(text);
  if (run.ok()) {
    CHECK(!run->digest.empty());
    ParseExperimentSpec(run->config).status().IgnoreError();
  } else {
    // One line for people, however long the text that it quotes.
    CHECK_LT(run.status().message().size(), 1000u);
  }
  const absl::StatusOr<ArmRecord> arm = ParseArmRecord(text);
  if (arm.ok()) {
    const std::string written = ToJson(*arm);
    const absl::StatusOr<ArmRecord> again = ParseArmRecord(written);
    CHECK(again.ok()) << again.status() << ": " << written;
    CHECK_EQ(ToJson(*again), written);
  }
  return 0;
}
