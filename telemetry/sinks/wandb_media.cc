#include "telemetry/sinks/wandb_media.h"

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/atomic_file.h"
#include "base/digest.h"
#include "telemetry/sinks/media_file.h"
#include "telemetry/sinks/wandb_row.h"

namespace cnn_fp4::telemetry {
namespace {

// W&B's library takes so many digits for a file's name.
constexpr size_t kDigitsInName = 20;

// The file, and what every medium's JSON begins with.
absl::StatusOr<WandbMedia> Write(const std::string& files,
                                 absl::string_view directory,
                                 const std::string& key, int64_t step,
                                 absl::string_view ending,
                                 absl::string_view type,
                                 absl::string_view bytes) {
  const std::string sha256 = base::Sha256Hex(bytes);
  WandbMedia media;
  media.path = absl::StrCat("media/", directory, "/", key, "_", step, "_",
                            sha256.substr(0, kDigitsInName), ending);
  if (absl::Status status = base::WriteFileAtomically(
          absl::StrCat(files, "/", media.path), bytes);
      !status.ok()) {
    return status;
  }
  media.value = {key,
                 {{"_type", WandbQuoted(std::string(type))},
                  {"path", WandbQuoted(media.path)},
                  {"sha256", WandbQuoted(sha256)},
                  {"size", absl::StrCat(bytes.size())}}};
  return media;
}

// The file is plain JSON, which has no NaN.
std::string CellJson(const base::Cell& cell) {
  return cell.is_number() && std::isfinite(cell.value())
             ? WandbNumber(cell.value())
             : WandbQuoted(cell.text());
}

}  // namespace

absl::StatusOr<WandbMedia> WriteWandbImage(const std::string& files,
                                           const std::string& key, int64_t step,
                                           absl::string_view png,
                                           const std::string& caption) {
  const absl::StatusOr<PixelSize> size = PngSize(png);
  if (!size.ok()) return size.status();
  absl::StatusOr<WandbMedia> media =
      Write(files, "images", key, step, ".png", "image-file", png);
  if (!media.ok()) return media;
  auto& fields = media->value.fields;
  fields.emplace_back("format", WandbQuoted("png"));
  fields.emplace_back("width", absl::StrCat(size->width));
  fields.emplace_back("height", absl::StrCat(size->height));
  if (!caption.empty()) fields.emplace_back("caption", WandbQuoted(caption));
  return media;
}

absl::StatusOr<WandbMedia> WriteWandbHtml(const std::string& files,
                                          const std::string& key, int64_t step,
                                          absl::string_view html) {
  return Write(files, "html", key, step, ".html", "html-file", html);
}

absl::StatusOr<WandbMedia> WriteWandbFigure(const std::string& files,
                                            const std::string& key,
                                            int64_t step,
                                            absl::string_view json) {
  return Write(files, "plotly", key, step, ".plotly.json", "plotly-file", json);
}

absl::StatusOr<WandbMedia> WriteWandbTable(const std::string& files,
                                           const std::string& key, int64_t step,
                                           const base::Table& table) {
  std::vector<std::string> columns;
  for (const std::string& column : table.columns()) {
    columns.push_back(WandbQuoted(column));
  }
  std::vector<std::string> rows;
  for (const std::vector<base::Cell>& row : table.rows()) {
    rows.push_back(absl::StrCat(
        "[",
        absl::StrJoin(row, ",",
                      [](std::string* out, const base::Cell& cell) {
                        absl::StrAppend(out, CellJson(cell));
                      }),
        "]"));
  }
  absl::StatusOr<WandbMedia> media =
      Write(files, "table", key, step, ".table.json", "table-file",
            absl::StrCat(R"({"columns":[)", absl::StrJoin(columns, ","),
                         R"(],"data":[)", absl::StrJoin(rows, ","), "]}"));
  if (!media.ok()) return media;
  media->value.fields.emplace_back("ncols", absl::StrCat(columns.size()));
  media->value.fields.emplace_back("nrows", absl::StrCat(rows.size()));
  return media;
}

}  // namespace cnn_fp4::telemetry
