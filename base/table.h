#ifndef BASE_TABLE_H_
#define BASE_TABLE_H_

// A small table that reads well on a terminal and in Markdown.
//
//   Table table({"arm", "loss", "mIoU", "steps/s"});
//   table.AddRow({"fp16", {0.2134, 4}, {0.8312, 4}, {4.1, 2}});
//   std::cout << table.ToText();
//
//   arm     loss    mIoU  steps/s
//   ----  ------  ------  -------
//   fp16  0.2134  0.8312     4.10

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

// Text, or a number rounded to `digits` places after the point (NaN, Infinity).
class Cell {
 public:
  Cell(const char* text) : text_(text) {}                     // NOLINT: {"a"}.
  Cell(std::string text) : text_(std::move(text)) {}          // NOLINT
  Cell(absl::string_view text) : text_(std::string(text)) {}  // NOLINT
  Cell(double value, int digits);

  const std::string& text() const { return text_; }
  bool is_number() const { return is_number_; }
  // The unrounded number; meaningful when is_number().
  double value() const { return value_; }

 private:
  std::string text_;
  double value_ = 0.0;
  bool is_number_ = false;
};

class Table {
 public:
  Table() = default;
  explicit Table(std::vector<std::string> columns);

  // A row shorter than the header is filled with empty cells; a longer one is a
  // bug (CHECK).
  void AddRow(std::vector<Cell> cells);

  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<std::vector<Cell>>& rows() const { return rows_; }

  // A column is right-aligned when all its non-empty cells are numbers. Widths
  // count code points. No trailing blanks; ends with '\n'.
  std::string ToText() const;

  // GitHub's dialect, with the same alignment; '|' is escaped and a line break
  // becomes a space.
  std::string ToMarkdown() const;

  // True when the column holds numbers only, and at least one.
  bool IsNumeric(size_t column) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace cnn_fp4::base

#endif  // BASE_TABLE_H_
