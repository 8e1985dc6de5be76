#ifndef TELEMETRY_SINKS_WANDB_SYSTEM_H_
#define TELEMETRY_SINKS_WANDB_SYSTEM_H_

// What W&B's page System shows: under W&B's own names, which its charts know.

#include <cstdint>

#include "telemetry/record.h"
#include "telemetry/sinks/wandb.pb.h"

namespace cnn_fp4::telemetry {

// `cores`: of the machine. What a GPU does not tell is left out.
void AddWandbSystem(const SystemStats& system, uint32_t cores,
                    wandb::StatsRecord* stats);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_SYSTEM_H_
