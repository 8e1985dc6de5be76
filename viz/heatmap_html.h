#ifndef VIZ_HEATMAP_HTML_H_
#define VIZ_HEATMAP_HTML_H_

// The interactive form of a HeatmapSet: heatmap_page.html with heatmap_page.js
// and the set's JSON put in. To work on the page, edit those two files.

#include <string>

#include "viz/heatmap_set.h"

namespace cnn_fp4::viz {

// A complete HTML document that refers to nothing outside itself. The set is
// valid.
std::string ToHtml(const HeatmapSet& set);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HEATMAP_HTML_H_
