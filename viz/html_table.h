#ifndef VIZ_HTML_TABLE_H_
#define VIZ_HTML_TABLE_H_

// A table as HTML, which scrolls by itself where the page is narrower. Columns
// of numbers have the class "number"; the page's style says what that is.

#include <string>

#include "base/table.h"

namespace cnn_fp4::viz {

std::string HtmlTable(const base::Table& table);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HTML_TABLE_H_
