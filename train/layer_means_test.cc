#include "train/layer_means.h"

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::train {
namespace {

using telemetry::LayerStats;
using telemetry::StatId;
using telemetry::TensorKind;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(MeansOverLayers, OfQuantisationAlone) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<telemetry::Payload> measured = {
      LayerStats{7,
                 TensorKind::kActivations,
                 "a",
                 {{StatId::kMean, 5}, {StatId::kSqnrDb, 20}}},
      LayerStats{7, TensorKind::kActivations, "b", {{StatId::kSqnrDb, 11}}},
      LayerStats{7, TensorKind::kActivations, "c", {{StatId::kSqnrDb, inf}}},
      LayerStats{7, TensorKind::kActivations, "d", {{StatId::kSqnrDb, 14}}},
      LayerStats{7,
                 TensorKind::kActivations,
                 "d",
                 {{StatId::kSqnrDb, 99}},
                 "mxfp4"},  // Not in use.
      telemetry::Scalars{7, {}},
      LayerStats{
          7, TensorKind::kWeightsQuantized, "a", {{StatId::kCodesUsed, 13}}}};
  EXPECT_THAT(MeansOverLayers(measured),
              ElementsAre(Pair("codes_used/weights/quantized", 13),
                          Pair("sqnr_db/activations", 15)));
}

}  // namespace
}  // namespace cnn_fp4::train
