#include "viz/html_text.h"

#include "gtest/gtest.h"

namespace cnn_fp4::viz {
namespace {

TEST(HtmlTextTest, Escapes) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(EscapeJsonForScript(R"(["</script><!--"])"),
            R"(["\u003c/script>\u003c!--"])");
}

TEST(HtmlTextTest, FillsOnceAndNotInsideReplacements) {
  EXPECT_EQ(
      FillTemplate("a {{x}} b {{y}} c {{x}}", {{"x", "{{y}}"}, {"y", "1"}}),
      "a {{y}} b 1 c {{y}}");
}

TEST(HtmlTextDeathTest, AnUnknownNameIsABug) {
  EXPECT_DEATH(FillTemplate("{{nothing}}", {}), "no value for \\{\\{nothing");
}

}  // namespace
}  // namespace cnn_fp4::viz
