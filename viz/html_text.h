#ifndef VIZ_HTML_TEXT_H_
#define VIZ_HTML_TEXT_H_

// Text that is safe inside HTML.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cnn_fp4::viz {

// For element content and quoted attributes: & < > " '.
std::string EscapeHtml(absl::string_view text);

// For JSON inside a script element: '<', which a JSON document has in strings
// only, becomes \u003c, so that no "</script" or "<!--" is left.
std::string EscapeJsonForScript(absl::string_view json);

// The style sheet that the pages share, for their {{style}}.
std::string PageStyle();

// Replaces each {{name}} of the template, in one pass: a replacement that
// contains {{...}} stays as it is. A name without a value is a bug (CHECK).
std::string FillTemplate(
    absl::string_view text,
    absl::Span<const std::pair<absl::string_view, std::string>> values);

}  // namespace cnn_fp4::viz

#endif  // VIZ_HTML_TEXT_H_
