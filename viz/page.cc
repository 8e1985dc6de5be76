#include "viz/page.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/atomic_file.h"
#include "viz/html_table.h"
#include "viz/html_text.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;

// A raw string literal made by the build of the file beside this one.
constexpr char kPage[] =
#include "viz/index_page.html.inc"
    ;

// What a run leaves beside its plots, with the words for a reader.
constexpr std::pair<const char*, const char*> kFiles[] = {
    {"summary.json", "results, for programs"},
    {"metrics.jsonl", "every measurement, one record a line"},
    {"run.json", "what ran: configuration, versions, device, seeds"},
};

// The forms of one plot: the files of one name.
struct Artefact {
  std::string png;
  std::string html;
  std::string json;
};

// Directory below plots/ -> name -> its files, relative to the run.
using Artefacts = std::map<std::string, std::map<std::string, Artefact>>;

// For href and src: relative paths have no scheme, and no byte but these is
// taken for syntax.
std::string UrlPath(const std::string& path) {
  std::string url;
  for (const char c : path) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        absl::StrContains("/._-~", c)) {
      url += c;
    } else {
      absl::StrAppendFormat(&url, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return url;
}

std::string Link(const std::string& path, absl::string_view text) {
  return absl::StrCat("<a href=\"", UrlPath(path), "\">", EscapeHtml(text),
                      "</a>");
}

absl::StatusOr<Artefacts> FindArtefacts(const fs::path& run) {
  Artefacts artefacts;
  std::error_code error;
  const fs::path plots = run / "plots";
  if (!fs::exists(plots, error)) return artefacts;
  fs::recursive_directory_iterator it(plots, error);
  for (; !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    const fs::path& path = it->path();
    if (!it->is_regular_file()) continue;
    const std::string relative = path.lexically_relative(run).generic_string();
    const std::string extension = path.extension().string();
    const std::string group =
        path.parent_path().lexically_relative(plots).generic_string();
    // Temporary files of a writer that is at work end in .tmp.
    Artefact files;
    if (extension == ".png") files.png = relative;
    if (extension == ".html") files.html = relative;
    if (extension == ".json") files.json = relative;
    if (files.png.empty() && files.html.empty() && files.json.empty()) continue;
    Artefact& artefact = artefacts[group][path.stem().string()];
    if (!files.png.empty()) artefact.png = files.png;
    if (!files.html.empty()) artefact.html = files.html;
    if (!files.json.empty()) artefact.json = files.json;
  }
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("reading directory ", plots.string()));
  }
  return artefacts;
}

std::string ResultSection(const base::Table& table) {
  if (table.columns().empty()) return "";
  return absl::StrCat("<h2>Result</h2>\n", HtmlTable(table));
}

std::string Figure(const std::string& title, const Artefact& artefact,
                   absl::string_view css_class) {
  const std::string& target =
      artefact.html.empty() ? artefact.png : artefact.html;
  std::string html = absl::StrCat("<figure", css_class, ">");
  if (!artefact.png.empty()) {
    absl::StrAppend(&html, "<a href=\"", UrlPath(target), "\"><img src=\"",
                    UrlPath(artefact.png), "\" alt=\"", EscapeHtml(title),
                    "\" loading=\"lazy\"></a>");
  }
  absl::StrAppend(&html, "<figcaption><b>", EscapeHtml(title), "</b>");
  const std::pair<const std::string&, const char*> links[] = {
      {artefact.html, "interactive"},
      {artefact.png, "picture"},
      {artefact.json, "numbers"}};
  for (const auto& [path, text] : links) {
    if (!path.empty()) absl::StrAppend(&html, Link(path, text));
  }
  return html + "</figcaption></figure>\n";
}

// "heatmaps/nvfp4/weights/prequantize" -> {"Heatmaps: nvfp4", "weights /
// prequantize"}: the heading that directories share, and the rest.
std::pair<std::string, std::string> SplitGroup(const std::string& group) {
  const size_t first = group.find('/');
  std::string heading = group.substr(0, first);
  heading[0] = absl::ascii_toupper(static_cast<unsigned char>(heading[0]));
  if (first == std::string::npos) return {heading, ""};
  const size_t second = group.find('/', first + 1);
  absl::StrAppend(&heading, ": ", group.substr(first + 1, second - first - 1));
  if (second == std::string::npos) return {heading, ""};
  return {heading,
          absl::StrReplaceAll(group.substr(second + 1), {{"/", " / "}})};
}

// Pictures that have no page of their own are shown in full width and first;
// the others are cards that lead to their pages.
std::string ArtefactSections(const Artefacts& artefacts) {
  std::string pictures;
  std::map<std::string, std::string> cards;
  std::string heading_of_pictures;
  for (const auto& [group, by_name] : artefacts) {
    const auto [heading, rest] = SplitGroup(group);
    for (const auto& [name, artefact] : by_name) {
      const std::string words = absl::StrReplaceAll(name, {{"_", " "}});
      if (artefact.html.empty() && !artefact.png.empty()) {
        if (heading != heading_of_pictures) {
          absl::StrAppend(&pictures, "<h2>", EscapeHtml(heading), "</h2>\n");
          heading_of_pictures = heading;
        }
        absl::StrAppend(&pictures,
                        Figure(words, artefact, " class=\"picture\""));
      } else {
        absl::StrAppend(&cards[heading],
                        Figure(rest.empty() ? words : rest, artefact, ""));
      }
    }
  }
  std::string html = pictures;
  for (const auto& [heading, figures] : cards) {
    absl::StrAppend(&html, "<h2>", EscapeHtml(heading),
                    "</h2>\n<div class=\"cards\">\n", figures, "</div>\n");
  }
  return html;
}

std::string FileSection(const fs::path& run) {
  std::string items;
  std::error_code error;
  for (const auto& [name, what] : kFiles) {
    if (!fs::exists(run / name, error)) continue;
    absl::StrAppend(&items, "<li>", Link(name, name), " <span class=\"note\">",
                    what, "</span></li>\n");
  }
  if (items.empty()) return "";
  return absl::StrCat("<h2>Files</h2>\n<ul>\n", items, "</ul>\n");
}

std::string ConfigSection(const std::string& config) {
  if (config.empty()) return "";
  return absl::StrCat(
      "<h2>Configuration</h2>\n<details><summary>Resolved "
      "configuration</summary><pre>",
      EscapeHtml(config), "</pre></details>\n");
}

}  // namespace

absl::Status WriteIndexPage(const IndexPage& page,
                            absl::string_view run_directory) {
  const fs::path run{std::string(run_directory)};
  std::error_code error;
  if (!fs::is_directory(run, error)) {
    return absl::NotFoundError(
        absl::StrCat(run_directory, ": no such run directory"));
  }
  const absl::StatusOr<Artefacts> artefacts = FindArtefacts(run);
  if (!artefacts.ok()) return artefacts.status();
  const std::pair<absl::string_view, std::string> values[] = {
      {"title", EscapeHtml(page.title)},
      {"style", PageStyle()},
      {"subtitle", EscapeHtml(page.subtitle)},
      {"result", ResultSection(page.result)},
      {"sections", page.sections},
      {"artefacts", ArtefactSections(*artefacts)},
      {"files", FileSection(run)},
      {"config", ConfigSection(page.config_json)},
  };
  return base::WriteFileAtomically((run / "report.html").string(),
                                   FillTemplate(kPage, values));
}

}  // namespace cnn_fp4::viz
