#ifndef TRAIN_TRAIN_SPEC_H_
#define TRAIN_TRAIN_SPEC_H_

// How long and with which optimiser an arm is trained, and what is minimised:
// the parts of an experiment's configuration that the trainer owns. How often a
// checkpoint is written decides nothing that is computed, so it is no part of
// this.

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace cnn_fp4::train {

// Limits that keep a typing error from starting a run of years, and counts of
// steps far from overflow.
inline constexpr int64_t kMaxSteps = 1'000'000'000;
inline constexpr int64_t kMaxEpochs = 1'000'000;
// Seeds are the key of 32-bit random number generators.
inline constexpr int64_t kMaxSeed = 0xffffffff;

struct TrainSpec {
  int64_t steps = 120;
  int64_t epochs = 0;
  int64_t seed = 42;
  double learning_rate = 1e-3;
  int64_t warmup_steps = 10;
  double final_learning_rate_fraction = 0.01;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double weight_decay = 0.0;
  double max_gradient_norm = 1.0;
  double initial_loss_scale = 65536.0;
  double loss_scale_growth_factor = 2.0;
  double loss_scale_backoff_factor = 0.5;
  int64_t loss_scale_growth_interval = 2000;
  int64_t validate_every = 40;
  std::string init_checksum;

  // base/spec.h has the protocol.
  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("steps", self.steps,
          "Number of optimiser steps of each arm; 0 means that epochs decide.");
    visit("epochs", self.epochs,
          "Number of passes over the training images; 0 means that steps "
          "decides.");
    visit("seed", self.seed,
          "Seed of the initial weights, of the order of the images and of "
          "their augmentation.");
    visit("learning_rate", self.learning_rate,
          "Adam's learning rate after the warm-up.");
    visit("warmup_steps", self.warmup_steps,
          "Number of steps in which the learning rate rises linearly from "
          "zero.");
    visit("final_learning_rate_fraction", self.final_learning_rate_fraction,
          "The learning rate falls along half a cosine to this fraction of "
          "its peak.");
    visit("adam_beta1", self.adam_beta1,
          "Decay of Adam's running mean of the gradients.");
    visit("adam_beta2", self.adam_beta2,
          "Decay of Adam's running mean of the squared gradients.");
    visit("adam_epsilon", self.adam_epsilon,
          "Added to the denominator of Adam's update.");
    visit("weight_decay", self.weight_decay,
          "Multiple of the weights that is added to their gradient.");
    visit("max_gradient_norm", self.max_gradient_norm,
          "Gradients whose joint Euclidean norm is larger are scaled down to "
          "it; 0 turns this off.");
    visit("initial_loss_scale", self.initial_loss_scale,
          "Loss scale of the first step, in arms whose policy scales the "
          "loss; of every step, where it does so with loss_scaling=static.");
    visit("loss_scale_growth_factor", self.loss_scale_growth_factor,
          "The loss scale is multiplied by it after loss_scale_growth_interval "
          "steps without an overflow.");
    visit("loss_scale_backoff_factor", self.loss_scale_backoff_factor,
          "The loss scale is multiplied by it when a gradient overflows.");
    visit("loss_scale_growth_interval", self.loss_scale_growth_interval,
          "Number of steps without an overflow after which the loss scale "
          "grows.");
    visit("validate_every", self.validate_every,
          "Number of steps between scores on the validation images; 0 means "
          "after the last step only.");
    visit("init_checksum", self.init_checksum,
          "Checksum (CRC-32, 8 hexadecimal digits) of the file of weights that "
          "the trainings begin with; init fills it in. Empty: weights are "
          "drawn from the seed.",
          "");
  }
};

struct TaskSpec {
  std::string task = "semantic";
  double dice_weight = 1.0;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("task", self.task,
          "What the net learns. semantic: a class for each pixel.");
    visit("dice_weight", self.dice_weight,
          "Weight of the soft Dice loss, which is added to the cross "
          "entropy.");
  }
};

// InvalidArgument that begins with the name of the field.
absl::Status Check(const TrainSpec& spec);
absl::Status Check(const TaskSpec& spec);

}  // namespace cnn_fp4::train

#endif  // TRAIN_TRAIN_SPEC_H_
