#include "viz/heatmap_html.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "viz/colormap.h"
#include "viz/heatmap_json.h"
#include "viz/html_text.h"

namespace cnn_fp4::viz {
namespace {

// Raw string literals made by the build of the files beside this one.
constexpr char kPage[] =
#include "viz/heatmap_page.html.inc"
    ;
constexpr char kScript[] =
#include "viz/heatmap_page.js.inc"
    ;

nlohmann::json PointsOf(ColormapId id) {
  nlohmann::json points = nlohmann::json::array();
  for (const Rgb& c : ColormapPoints(id)) points.push_back({c.r, c.g, c.b});
  return points;
}

std::string Colors() {
  const nlohmann::json colors = {
      {"sequential", PointsOf(ColormapId::kViridis)},
      {"diverging", PointsOf(ColormapId::kVik)},
      {"nan", ToHex(kNanColor)},
      {"positive_infinity", ToHex(kPositiveInfColor)},
      {"negative_infinity", ToHex(kNegativeInfColor)},
      {"missing", ToHex(kMissingColor)},
  };
  return colors.dump();
}

}  // namespace

std::string ToHtml(const HeatmapSet& set) {
  const std::pair<absl::string_view, std::string> values[] = {
      {"title", EscapeHtml(absl::StrCat(set.model, " ", set.tensor, " - ",
                                        set.experiment))},
      {"data", EscapeJsonForScript(ToJson(set))},
      {"colors", Colors()},
      {"script", kScript},
      {"style", PageStyle()},
  };
  return FillTemplate(kPage, values);
}

}  // namespace cnn_fp4::viz
