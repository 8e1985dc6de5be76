#ifndef EXPERIMENTS_NUMBERS_PAGE_H_
#define EXPERIMENTS_NUMBERS_PAGE_H_

// A page of tables and small figures that opens by itself and offline: what the
// reports of a study, of a sensitivity and of a comparison have in common.

#include <string>

#include "absl/strings/string_view.h"

namespace cnn_fp4::experiments {

// `title`, `subtitle` and `config`, which is shown folded at the end, are plain
// text, `config` may be empty; `body` is HTML.
std::string NumbersPage(absl::string_view title, absl::string_view subtitle,
                        absl::string_view body, absl::string_view config);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_NUMBERS_PAGE_H_
