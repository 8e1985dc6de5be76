#include "viz/html_table.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "viz/html_text.h"

namespace cnn_fp4::viz {

std::string HtmlTable(const base::Table& table) {
  std::string html = "<div class=\"scroll\"><table>\n<tr>";
  const auto attribute = [&](size_t column) {
    return table.IsNumeric(column) ? " class=\"number\"" : "";
  };
  for (size_t c = 0; c < table.columns().size(); ++c) {
    absl::StrAppend(&html, "<th", attribute(c), ">",
                    EscapeHtml(table.columns()[c]), "</th>");
  }
  for (const std::vector<base::Cell>& row : table.rows()) {
    absl::StrAppend(&html, "</tr>\n<tr>");
    for (size_t c = 0; c < row.size(); ++c) {
      absl::StrAppend(&html, "<td", attribute(c), ">",
                      EscapeHtml(row[c].text()), "</td>");
    }
  }
  return html + "</tr>\n</table></div>\n";
}

}  // namespace cnn_fp4::viz
