#ifndef VIZ_SURFACE_PAGE_H_
#define VIZ_SURFACE_PAGE_H_

// Weights as 3-D surfaces, as they are, as FP4 codes and de-quantised, with one
// choice of arm, layer and step: surface_page.html with surface_page.js and the
// numbers put in. plotly.js draws; the page says so where it does not find it.

#include <cstdint>
#include <string>
#include <vector>

namespace cnn_fp4::viz {

// A weight at a step: rows by columns elements, row-major.
struct SurfaceSample {
  int64_t step = 0;
  std::vector<float> values;
  std::vector<uint8_t> codes;  // Of E2M1, 0 to 15.
  std::vector<float> scales;   // What an FP4 value of 1 stands for.
};

struct SurfaceLayer {
  std::string name;
  int64_t rows = 0;
  int64_t columns = 0;
  // How far apart rows and columns are in the whole weight.
  int64_t row_stride = 1;
  int64_t column_stride = 1;
  std::string thinning;  // "every 2nd of 64 filters"; empty: all is there.
  std::vector<SurfaceSample> samples;
};

struct SurfaceArm {
  std::string name;
  std::vector<SurfaceLayer> layers;
};

struct SurfacePage {
  std::string title;   // "fp16_vs_nvfp4_s025"
  std::string script;  // The way from the page to plotly.js.
  std::vector<SurfaceArm> arms;
};

// A complete HTML document that needs nothing but its script.
std::string ToHtml(const SurfacePage& page);

}  // namespace cnn_fp4::viz

#endif  // VIZ_SURFACE_PAGE_H_
