#ifndef TELEMETRY_SINKS_CUSTOM_SCALARS_H_
#define TELEMETRY_SINKS_CUSTOM_SCALARS_H_

// The layout of TensorBoard's page "Custom Scalars": which curves share a
// chart. Loss and scores by themselves, and each statistic of each kind of
// tensor with all layers in one chart, which is how one sees the layer that
// stands out.

#include <string>

namespace cnn_fp4::telemetry {

// A serialised event::Layout. The tags in it are regular expressions; charts
// whose tags match nothing are empty.
std::string CustomScalarsLayout();

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_CUSTOM_SCALARS_H_
