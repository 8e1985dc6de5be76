#include "experiments/numbers_page.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "viz/html_text.h"

namespace cnn_fp4::experiments {
namespace {

// A raw string literal made by the build of the file beside this one.
constexpr char kPage[] =
#include "experiments/numbers_page.html.inc"
    ;

std::string ConfigSection(absl::string_view config) {
  if (config.empty()) return "";
  return absl::StrCat(
      "<h2>Configuration</h2>\n<details><summary>Resolved "
      "configuration</summary><pre>",
      viz::EscapeHtml(config), "</pre></details>\n");
}

}  // namespace

std::string NumbersPage(absl::string_view title, absl::string_view subtitle,
                        absl::string_view body, absl::string_view config) {
  const std::pair<absl::string_view, std::string> values[] = {
      {"title", viz::EscapeHtml(title)},       {"style", viz::PageStyle()},
      {"subtitle", viz::EscapeHtml(subtitle)}, {"body", std::string(body)},
      {"config", ConfigSection(config)},
  };
  return viz::FillTemplate(kPage, values);
}

}  // namespace cnn_fp4::experiments
