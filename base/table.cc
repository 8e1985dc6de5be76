#include "base/table.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "glog/logging.h"

namespace cnn_fp4::base {
namespace {

// Code points: bytes that do not continue a UTF-8 sequence.
size_t Columns(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xc0) != 0x80; });
}

std::string Pad(const std::string& text, size_t width, bool right) {
  const size_t columns = Columns(text);
  const std::string blanks(width > columns ? width - columns : 0, ' ');
  return right ? blanks + text : text + blanks;
}

std::string EscapeMarkdown(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"\\", "\\\\"}, {"|", "\\|"}, {"\r", ""}, {"\n", " "}});
}

// A number's text: NaN and infinities spelled as everywhere in our files.
std::string FormatNumber(double value, int digits) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return absl::StrFormat("%.*f", digits, value);
}

}  // namespace

Cell::Cell(double value, int digits)
    : text_(FormatNumber(value, digits)), value_(value), is_number_(true) {}

Table::Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<Cell> cells) {
  CHECK_LE(cells.size(), columns_.size()) << "more cells than columns";
  cells.resize(columns_.size(), Cell(""));
  rows_.push_back(std::move(cells));
}

bool Table::IsNumeric(size_t column) const {
  bool any = false;
  for (const std::vector<Cell>& row : rows_) {
    const Cell& cell = row[column];
    if (!cell.is_number() && !cell.text().empty()) return false;
    any |= cell.is_number();
  }
  return any;
}

std::string Table::ToText() const {
  std::vector<size_t> widths(columns_.size());
  std::vector<bool> right(columns_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    right[c] = IsNumeric(c);
    widths[c] = Columns(columns_[c]);
    for (const std::vector<Cell>& row : rows_) {
      widths[c] = std::max(widths[c], Columns(row[c].text()));
    }
  }
  std::string out;
  const auto add_line = [&](const std::function<std::string(size_t)>& cell) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      absl::StrAppend(&line, c == 0 ? "" : "  ",
                      Pad(cell(c), widths[c], right[c]));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  };
  add_line([&](size_t c) { return columns_[c]; });
  add_line([&](size_t c) { return std::string(widths[c], '-'); });
  for (const std::vector<Cell>& row : rows_) {
    add_line([&](size_t c) { return row[c].text(); });
  }
  return out;
}

std::string Table::ToMarkdown() const {
  std::string out = "|";
  for (const std::string& column : columns_) {
    absl::StrAppend(&out, " ", EscapeMarkdown(column), " |");
  }
  absl::StrAppend(&out, "\n|");
  for (size_t c = 0; c < columns_.size(); ++c) {
    absl::StrAppend(&out, IsNumeric(c) ? " ---: |" : " --- |");
  }
  for (const std::vector<Cell>& row : rows_) {
    absl::StrAppend(&out, "\n|");
    for (const Cell& cell : row) {
      absl::StrAppend(&out, " ", EscapeMarkdown(cell.text()), " |");
    }
  }
  return out + "\n";
}

}  // namespace cnn_fp4::base
