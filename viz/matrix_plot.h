#ifndef VIZ_MATRIX_PLOT_H_
#define VIZ_MATRIX_PLOT_H_

// A matrix of shares as an SVG element for a page with PageStyle(): a coloured
// cell for each row and column, exact values under the cursor, and a scale of
// the colours.
//
//   const std::string svg = MatrixPlotSvg(
//       {"FP4 values of the weights", {"enc1", "enc2"}, {"-6", "0", "6"},
//        {0.1, 0.8, 0.1, 0.2, std::nullopt, 0.4}});
//
// Colours are viridis from 0 to the largest share, grey where there is none.

#include <optional>
#include <string>
#include <vector>

namespace cnn_fp4::viz {

struct MatrixPlot {
  std::string title;
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  // [rows, columns] row-major, each from 0 to 1. CHECK-fails for another number
  // of them.
  std::vector<std::optional<double>> shares;
};

std::string MatrixPlotSvg(const MatrixPlot& plot);

}  // namespace cnn_fp4::viz

#endif  // VIZ_MATRIX_PLOT_H_
