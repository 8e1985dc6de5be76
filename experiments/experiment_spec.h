#ifndef EXPERIMENTS_EXPERIMENT_SPEC_H_
#define EXPERIMENTS_EXPERIMENT_SPEC_H_

// Everything that decides what an experiment computes. What only decides where
// it runs and what it shows is RunOptions.
//
// Each part belongs to its package, which lists its fields, documents and
// checks them; reading, writing, digests and the flags of //experiments:train
// go through that one list (base/spec.h).
//
// The pin. An experiment's digest covers its canonical JSON and, since a name
// like "nvfp4" says nothing by itself, what the names of its arms mean: every
// operand of every layer, spelled out. So:
// - a field that is added with its neutral value changes no digest;
// - a policy whose meaning changes changes the digests of the experiments that
//   use it, and of no others.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/spec.h"
#include "data/batch_spec.h"
#include "data/dataset_spec.h"
#include "nn/models/net_spec.h"
#include "nn/precision/policy.h"
#include "train/train_spec.h"

namespace cnn_fp4::experiments {

struct ExperimentSpec {
  std::vector<std::string> arms = {"fp16", "nvfp4"};
  nn::NetSpec net;
  data::DatasetSpec data;
  data::BatchSpec batch;
  train::TrainSpec train;
  train::TaskSpec task;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit(
        "arms", self.arms,
        "The arms, which are trained one after the other: policies, which say "
        "what number format each operand of each layer has (--list_policies "
        "shows those that have a name). The others are compared with the "
        "first one.");
    visit("net", self.net, "The net");
    visit("data", self.data, "The data set");
    visit("batch", self.batch, "Batches and augmentation");
    visit("train", self.train, "Training");
    visit("task", self.task, "The task");
  }
};

// What a policy means in a net, as JSON. nn::SpellOut but in tests.
using SpellOutFunction = std::function<absl::StatusOr<std::string>(
    const nn::Policy&, absl::Span<const nn::LayerInfo>)>;

// Strict: an unknown key, a missing key, a value of another type and a value
// that Check refuses are InvalidArgument that names the field.
absl::StatusOr<ExperimentSpec> ParseExperimentSpec(absl::string_view json);

// The Checks of all parts, policies that resolve for this net, and arms that
// differ. InvalidArgument that begins with the name of the field.
absl::Status Check(const ExperimentSpec& spec);

// The policies' Key() of all arms: their names in records and directories. For
// a spec that passes its Check (checked), as are the functions below.
std::vector<std::string> ArmKeys(const ExperimentSpec& spec);

// JSON: from each arm to what it means.
std::string Resolved(const ExperimentSpec& spec,
                     const SpellOutFunction& spell_out = nn::SpellOut);

// Eight hexadecimal digits: CRC-32 of the two JSONs.
std::string DigestOf(absl::string_view config, absl::string_view resolved);
std::string Digest(const ExperimentSpec& spec,
                   const SpellOutFunction& spell_out = nn::SpellOut);

// The grammar of pinned names: [<data>_]<arm>_vs_<arm>..._s<digits>, where the
// first digit is before the decimal point: s025 is 0.25, s0125 0.125, s100 1.
// InvalidArgument if the name says something else than the spec.
absl::Status CheckName(absl::string_view name, const ExperimentSpec& spec);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_EXPERIMENT_SPEC_H_
