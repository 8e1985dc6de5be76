#include "nn/models/models.h"

#include <torch/torch.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "nn/models/unet.h"
#include "nn/net.h"

namespace cnn_fp4::nn {
namespace {

// One line an architecture, with the same names as net_spec.cc.
struct Maker {
  const char* name;
  absl::StatusOr<std::shared_ptr<Net>> (*make)(const NetSpec&, int64_t);
};
constexpr Maker kMakers[] = {
    {"unet", MakeUNet},
};

}  // namespace

absl::StatusOr<std::shared_ptr<Net>> CreateNet(const NetSpec& spec,
                                               int64_t num_classes,
                                               uint64_t seed) {
  if (absl::Status status = Check(spec); !status.ok()) return status;
  if (num_classes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a net needs at least one class, not ", num_classes));
  }
  for (const Maker& maker : kMakers) {
    if (spec.architecture != maker.name) continue;
    torch::manual_seed(seed);
    return maker.make(spec, num_classes);
  }
  LOG(FATAL) << "architecture " << spec.architecture
             << " has layers but nothing that makes it";
}

}  // namespace cnn_fp4::nn
