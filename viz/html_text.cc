#include "viz/html_text.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "glog/logging.h"

namespace cnn_fp4::viz {
namespace {

// A raw string literal made by the build of the file beside this one.
constexpr char kStyle[] =
#include "viz/page_style.css.inc"
    ;

}  // namespace

std::string PageStyle() { return kStyle; }

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&#39;"}});
}

std::string EscapeJsonForScript(absl::string_view json) {
  return absl::StrReplaceAll(json, {{"<", "\\u003c"}});
}

std::string FillTemplate(
    absl::string_view text,
    absl::Span<const std::pair<absl::string_view, std::string>> values) {
  std::string out;
  for (;;) {
    const size_t begin = text.find("{{");
    if (begin == absl::string_view::npos) break;
    const size_t end = text.find("}}", begin);
    CHECK_NE(end, absl::string_view::npos) << "{{ without }}";
    const absl::string_view name = text.substr(begin + 2, end - begin - 2);
    const auto value =
        std::find_if(values.begin(), values.end(),
                     [&](const auto& entry) { return entry.first == name; });
    CHECK(value != values.end()) << "no value for {{" << name << "}}";
    absl::StrAppend(&out, text.substr(0, begin), value->second);
    text.remove_prefix(end + 2);
  }
  return absl::StrCat(out, text);
}

}  // namespace cnn_fp4::viz
