#include "experiments/numbers_page.h"

#include <utility>

#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

// A raw string literal made by the build of the file beside this one.
constexpr char kPage[] =
#include "experiments/numbers_page.html.inc"
    ;

}  // namespace

std::string NumbersPage(absl::string_view title, absl::string_view subtitle,
                        absl::string_view body, absl::string_view config) {
  const std::pair<absl::string_view, std::string> values[] = {
      {"title", viz::EscapeHtml(title)},       {"style", viz::PageStyle()},
      {"subtitle", viz::EscapeHtml(subtitle)}, {"body", std::string(body)},
      {"config", viz::EscapeHtml(config)},
  };
  return viz::FillTemplate(kPage, values);
}

}  // namespace cnn_fp4::experiments
