#ifndef EXPERIMENTS_RUN_OPTIONS_H_
#define EXPERIMENTS_RUN_OPTIONS_H_

// What a run may choose without being another experiment: where it runs, where
// it writes and what it shows. Every experiment's program has these as flags.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "data/batch_spec.h"
#include "data/dataset_spec.h"
#include "nn/models/net_spec.h"
#include "telemetry/sinks/sink_factory.h"

namespace cnn_fp4::experiments {

// Where a run belongs on a Weights & Biases server.
struct WandbLabels {
  std::string wandb_project;
  std::string wandb_entity;
  std::vector<std::string> wandb_tags;
  std::string wandb_notes;
  bool wandb_log_model = false;

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("wandb_project", self.wandb_project,
          "Project of the runs. Without it, WANDB_PROJECT or the "
          "experiment's name.");
    visit("wandb_entity", self.wandb_entity,
          "User or team of the runs. Without it, WANDB_ENTITY or the one who "
          "uploads them.");
    visit("wandb_tags", self.wandb_tags,
          "Tags of the runs. Without them, those in WANDB_TAGS.");
    visit("wandb_notes", self.wandb_notes,
          "Notes on the runs. Without them, WANDB_NOTES.");
    visit(
        "wandb_log_model", self.wandb_log_model,
        "Adds the weights of each trained net to its W&B run, as an artifact, "
        "which is uploaded with it.");
  }
};

struct RunOptions {
  // Empty: DefaultOutputDir().
  std::string output_dir;
  std::string resume;
  std::string init;
  std::string device = "cpu";
  int64_t threads = 0;
  int64_t logf = 10;
  std::vector<std::string> what_if;
  std::string weight_map;
  int64_t checkpoint_every = 40;
  int64_t keep_checkpoints = 2;
  int64_t overlay_images = 4;
  std::string progress = "auto";
  std::vector<std::string> sinks = telemetry::SinkNames();
  WandbLabels wandb;
  data::ReadOptions read;      // But for the seed, which the experiment has.
  data::LoaderOptions loader;  // The same.

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("output_dir", self.output_dir,
          "Runs are written to OUTPUT_DIR/EXPERIMENT/TIME-DIGEST. Without it, "
          "OUTPUT_DIR is runs in the workspace.");
    visit("resume", self.resume,
          "Continues a run from its newest checkpoints: its directory, or "
          "latest.");
    visit("init", self.init,
          "A safetensors file with weights that every arm begins with, by the "
          "names of the net's parameters, which are those of a PyTorch "
          "state_dict. Tensors of the net that it lacks are drawn from the "
          "seed; what does not match is listed.");
    visit("device", self.device,
          "Where the nets are trained: cpu, cuda, or auto, which is cuda if "
          "there is a GPU.");
    visit("threads", self.threads,
          "Number of CPU threads; 0 means one for each core, or "
          "OMP_NUM_THREADS. Results repeat bit for bit with the same number.");
    visit("logf", self.logf,
          "Number of steps between measurements of every layer, which are the "
          "columns of the heatmaps; 0 means the first and the last step only.");
    visit("what_if", self.what_if,
          "FP4 recipes that are not in use, as in --what_if=mxfp4,nvfp4: the "
          "measurements of every layer also say what SQNR and underflow each "
          "would have on the same tensors, with the blocks of the forward "
          "pass. `bazel run //tools:fp4 -- recipes` lists them.");
    visit("weight_map", self.weight_map,
          "The layer whose weight is drawn element by element, with the scales "
          "of its blocks and the errors, as in --weight_map=enc1.conv2. "
          "Without it, of each arm the layer whose weight FP4 costs most.");
    visit("checkpoint_every", self.checkpoint_every,
          "Number of steps between checkpoints; 0 means at the end, or when "
          "the run is stopped.");
    visit("keep_checkpoints", self.keep_checkpoints,
          "Number of checkpoints of each arm that are kept, the best one not "
          "counted.");
    visit("overlay_images", self.overlay_images,
          "Number of validation images that are drawn with the predictions of "
          "all arms.");
    visit("progress", self.progress,
          "How progress is shown on stderr: bar, lines, json (lines for "
          "programs), off, or auto, which is bar on a terminal and lines "
          "elsewhere.");
    visit("sinks", self.sinks, telemetry::SinksHelp());
    visit("wandb", self.wandb, "Weights & Biases");
    visit("read", self.read, "The data set on this machine");
    visit("loader", self.loader, "Preparing batches");
  }
};

// InvalidArgument that begins with the name of the field.
absl::Status Check(const RunOptions& options);

// InvalidArgument that begins with the name of the field and lists the layers
// with weights for a text that is none of them; empty is any.
absl::Status CheckWeightMap(const std::string& layer, const nn::NetSpec& net);

// "runs" in the workspace, or in the current directory outside of `bazel run`.
std::string DefaultOutputDir();

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_OPTIONS_H_
