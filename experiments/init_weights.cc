#include "experiments/init_weights.h"

#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/net.h"

namespace cnn_fp4::experiments {

absl::Status SetInitChecksum(const std::string& init, train::TrainSpec& train) {
  if (init.empty()) return absl::OkStatus();
  if (!train.init_checksum.empty()) return CheckInit(init, train);
  absl::StatusOr<std::string> checksum = train::FileChecksum(init);
  if (!checksum.ok()) return checksum.status();
  train.init_checksum = *std::move(checksum);
  return absl::OkStatus();
}

absl::Status CheckInit(const std::string& init, const train::TrainSpec& train) {
  if (init.empty() && train.init_checksum.empty()) return absl::OkStatus();
  if (init.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "init must name the file of weights that the trainings begin with; its "
        "checksum is ",
        train.init_checksum));
  }
  if (train.init_checksum.empty()) {
    return absl::InvalidArgumentError(
        "init: the weights of this configuration are drawn from its seed; "
        "bazel run //experiments:train -- --init=... begins with a file");
  }
  const absl::StatusOr<std::string> checksum = train::FileChecksum(init);
  if (!checksum.ok()) return checksum.status();
  if (*checksum == train.init_checksum) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "init: ", init, " has the checksum ", *checksum,
      ", and the configuration begins with weights of the checksum ",
      train.init_checksum));
}

absl::StatusOr<InitReport> LoadInit(const std::string& init,
                                    const ArmNet& net) {
  absl::StatusOr<train::WeightsMatch> match =
      train::LoadWeightsFile(init, *net.net);
  if (!match.ok()) return match.status();
  InitReport report{*std::move(match), ""};
  report.text =
      absl::StrCat(report.match.loaded.size(), " of ",
                   report.match.loaded.size() + report.match.kept.size(),
                   " tensors of the net from ", init);
  if (!report.match.kept.empty()) {
    absl::StrAppend(&report.text, "\nnot in the file: ",
                    absl::StrJoin(report.match.kept, ", "));
  }
  if (!report.match.unused.empty()) {
    absl::StrAppend(&report.text, "\nnot in the net: ",
                    absl::StrJoin(report.match.unused, ", "));
  }
  return report;
}

}  // namespace cnn_fp4::experiments
