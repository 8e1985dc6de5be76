#include "viz/surface_page.h"

#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "viz/colormap.h"
#include "viz/html_text.h"

namespace cnn_fp4::viz {
namespace {

using Json = nlohmann::ordered_json;

// Raw string literals made by the build of the files beside this one.
constexpr char kPage[] =
#include "viz/surface_page.html.inc"
    ;
constexpr char kScript[] =
#include "viz/surface_page.js.inc"
    ;

// Little-endian, as the typed arrays of every browser are.
template <typename T>
std::string Base64(const std::vector<T>& numbers) {
  return absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(numbers.data()),
                        numbers.size() * sizeof(T)));
}

Json SampleJson(const SurfaceSample& sample) {
  // A block shares its scale: each is written once.
  std::map<float, uint16_t> places;
  std::vector<float> scales;
  std::vector<uint16_t> scale_of;
  for (const float scale : sample.scales) {
    const auto [found, is_new] =
        places.emplace(scale, static_cast<uint16_t>(scales.size()));
    if (is_new) scales.push_back(scale);
    scale_of.push_back(found->second);
  }
  return {{"step", sample.step},
          {"values", Base64(sample.values)},
          {"codes", Base64(sample.codes)},
          {"scales", Base64(scales)},
          {"scale_of", Base64(scale_of)}};
}

Json LayerJson(const SurfaceLayer& layer) {
  Json samples = Json::array();
  for (const SurfaceSample& sample : layer.samples) {
    samples.push_back(SampleJson(sample));
  }
  return {{"name", layer.name},
          {"rows", layer.rows},
          {"columns", layer.columns},
          {"row_stride", layer.row_stride},
          {"column_stride", layer.column_stride},
          {"thinning", layer.thinning},
          {"samples", std::move(samples)}};
}

std::string Data(const SurfacePage& page) {
  Json colors = Json::array();
  const auto points = ColormapPoints(ColormapId::kVik);
  for (size_t i = 0; i < points.size(); ++i) {
    colors.push_back(
        {static_cast<double>(i) / static_cast<double>(points.size() - 1),
         ToHex(points[i])});
  }
  Json arms = Json::array();
  for (const SurfaceArm& arm : page.arms) {
    Json layers = Json::array();
    for (const SurfaceLayer& layer : arm.layers) {
      layers.push_back(LayerJson(layer));
    }
    arms.push_back({{"name", arm.name}, {"layers", std::move(layers)}});
  }
  return Json{{"script", page.script},
              {"colors", std::move(colors)},
              {"arms", std::move(arms)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string ToHtml(const SurfacePage& page) {
  const std::pair<absl::string_view, std::string> values[] = {
      {"title", EscapeHtml(page.title)},
      {"style", PageStyle()},
      {"plotly", EscapeHtml(page.script)},
      {"data", EscapeJsonForScript(Data(page))},
      {"script", kScript},
  };
  return FillTemplate(kPage, values);
}

}  // namespace cnn_fp4::viz
