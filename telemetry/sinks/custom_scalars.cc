#include "telemetry/sinks/custom_scalars.h"

#include "absl/strings/str_cat.h"
#include "telemetry/sinks/event.pb.h"
#include "telemetry/sinks/layer_key.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::telemetry {
namespace {

void AddChart(const std::string& title, const std::string& tags,
              event::Layout::Category* category) {
  event::Layout::Chart* const chart = category->add_chart();
  chart->set_title(title);
  chart->mutable_multiline()->add_tag(tags);
}

}  // namespace

std::string CustomScalarsLayout() {
  event::Layout layout;
  event::Layout::Category* const training = layout.add_category();
  training->set_title("Training");
  AddChart("Loss of the training", "^train/loss$", training);
  AddChart("Loss of the validation", "^val/loss$", training);
  AddChart("Norm of the gradient", "^train/gradient_norm$", training);
  event::Layout::Category* const system = layout.add_category();
  system->set_title("System");
  AddChart("CPU in % of one core", "^system/cpu_percent$", system);
  AddChart("Memory in MiB", "^system/(resident|available)_mib$", system);
  for (const StatInfo& info : Statistics()) {
    event::Layout::Category* const category = layout.add_category();
    category->set_title(info.unit.empty()
                            ? std::string(info.title)
                            : absl::StrCat(info.title, " in ", info.unit));
    category->set_closed(true);
    for (const TensorKindInfo& kind : TensorKinds()) {
      AddChart(std::string(kind.title),
               absl::StrCat("^", LayerKey(info.key, kind.kind, ""), ".*$"),
               category);
    }
  }
  return layout.SerializeAsString();
}

}  // namespace cnn_fp4::telemetry
