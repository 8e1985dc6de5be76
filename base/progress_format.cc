#include "base/progress_format.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/json_number.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::base {
namespace {

constexpr double kSmoothing = 0.3;
// Before this many steps an estimate of the time left is noise.
constexpr int64_t kStepsBeforeEta = 3;
constexpr int kMinBar = 10;
constexpr int kMaxBar = 40;
constexpr char kRed[] = "\033[31m";
constexpr char kReset[] = "\033[0m";

// Code points, each one column wide; escape sequences are added later.
int Columns(const std::string& text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Cut(const std::string& text, int columns) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if ((text[end] & 0xc0) != 0x80 && columns-- <= 0) break;
  }
  return text.substr(0, end);
}

std::string FormatValue(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return absl::StrFormat("%.4g", value);
}

std::string FormatField(const ProgressField& field) {
  return absl::StrCat(field.first, "=", FormatValue(field.second));
}

double Share(const ProgressState& state) {
  return std::min(1.0, std::max(0.0, static_cast<double>(state.done) /
                                         static_cast<double>(state.total)));
}

// 100% only when it is.
int Percent(const ProgressState& state) {
  return static_cast<int>(std::floor(100.0 * Share(state)));
}

std::string Eta(const ProgressState& state) {
  if (state.rate <= 0.0) return "?";
  return FormatClock(absl::Seconds(
      static_cast<double>(std::max<int64_t>(0, state.total - state.done)) /
      state.rate));
}

std::string DrawBlocks(double share, int width, bool utf8) {
  static constexpr const char* kEighths[] = {"",  "▏", "▎", "▍",
                                             "▌", "▋", "▊", "▉"};
  static constexpr char kTenths[] = "0123456789";
  const int parts = utf8 ? 8 : 10;
  const int filled = static_cast<int>(share * width * parts);
  std::string bar;
  for (int i = 0; i < filled / parts; ++i) bar += utf8 ? "█" : "#";
  int used = filled / parts;
  if (filled % parts != 0) {
    if (utf8) {
      bar += kEighths[filled % parts];
    } else {
      bar += kTenths[filled % parts];
    }
    ++used;
  }
  return bar + std::string(std::max(0, width - used), ' ');
}

// Three digits and the prefix of a power of 1000; value >= 0.
std::string FormatScaled(double value) {
  static constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  size_t i = 0;
  // What would round to 1000 takes the next prefix.
  for (; value >= 999.5 && i + 1 < std::size(kPrefixes); ++i) value /= 1000.0;
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f%s", decimals, value, kPrefixes[i]);
}

std::string Tail(const ProgressState& state, size_t num_fields) {
  std::string tail = absl::StrCat(
      FormatCount(state.done, state.unit_scale), state.total > 0 ? "/" : " ",
      state.total > 0 ? FormatCount(state.total, state.unit_scale) : state.unit,
      " [", FormatClock(state.elapsed));
  if (state.total > 0) absl::StrAppend(&tail, "<", Eta(state));
  absl::StrAppend(&tail, ", ",
                  FormatRate(state.rate, state.unit, state.unit_scale));
  for (size_t i = 0; i < num_fields; ++i) {
    absl::StrAppend(&tail, ", ", FormatField(state.fields[i]));
  }
  return tail + "]";
}

}  // namespace

std::string FormatClock(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  const int64_t hours = seconds / 3600;
  const int64_t minutes = seconds / 60 % 60;
  if (hours > 0) {
    return absl::StrFormat("%d:%02d:%02d", hours, minutes, seconds % 60);
  }
  return absl::StrFormat("%02d:%02d", minutes, seconds % 60);
}

std::string FormatCount(int64_t count, bool unit_scale) {
  return unit_scale ? FormatScaled(static_cast<double>(count))
                    : absl::StrCat(count);
}

std::string FormatRate(double rate, const std::string& unit, bool unit_scale) {
  if (rate <= 0.0) return absl::StrCat("?", unit, "/s");
  if (unit_scale) return absl::StrCat(FormatScaled(rate), unit, "/s");
  if (rate < 1.0) return absl::StrFormat("%.2fs/%s", 1.0 / rate, unit);
  return absl::StrFormat("%.2f%s/s", rate, unit);
}

std::string FormatBar(const ProgressState& state, const BarStyle& style) {
  const std::string head =
      state.description.empty() ? "" : absl::StrCat(state.description, ": ");
  const std::string percent =
      state.total > 0 ? absl::StrFormat("%3d%%", Percent(state)) : "";
  size_t num_fields = state.fields.size();
  std::string tail = Tail(state, num_fields);
  const auto needed = [&] {
    // Percent, two '|' and the blank after them.
    return Columns(head) + Columns(percent) + Columns(tail) +
           (state.total > 0 ? 3 : 0);
  };
  int room = style.width - needed();
  const int least_bar = state.total > 0 ? kMinBar : 0;
  if (room < least_bar) room += 2;  // No bar: no '|'s.
  while (num_fields > 0 && room < 0) {
    tail = Tail(state, --num_fields);
    room = style.width - needed() + 2;
  }
  std::string line = absl::StrCat(head, percent);
  if (state.total > 0) {
    const int bar = std::min(kMaxBar, style.width - needed());
    if (bar >= kMinBar) {
      absl::StrAppend(&line, "|", DrawBlocks(Share(state), bar, style.utf8),
                      "|");
    }
    absl::StrAppend(&line, " ");
  }
  line = Cut(line + tail, style.width);
  if (style.color) {
    for (size_t i = 0; i < num_fields; ++i) {
      if (std::isfinite(state.fields[i].second)) continue;
      const std::string field = FormatField(state.fields[i]);
      const size_t at = line.find(", " + field);
      if (at == std::string::npos) continue;
      line.replace(at + 2, field.size(), absl::StrCat(kRed, field, kReset));
    }
  }
  return line;
}

std::string FormatLine(const ProgressState& state, absl::Time now) {
  std::vector<std::string> words = {
      absl::FormatTime("%Y-%m-%d %H:%M:%S", now, absl::LocalTimeZone())};
  if (!state.description.empty()) words.push_back(state.description);
  if (state.total > 0) {
    words.push_back(absl::StrCat(FormatCount(state.done, state.unit_scale), "/",
                                 FormatCount(state.total, state.unit_scale)));
    words.push_back(absl::StrCat(Percent(state), "%"));
  } else {
    words.push_back(FormatCount(state.done, state.unit_scale));
  }
  words.push_back(absl::StrCat("elapsed=", FormatClock(state.elapsed)));
  if (state.total > 0) words.push_back(absl::StrCat("eta=", Eta(state)));
  words.push_back(absl::StrCat(
      "rate=", FormatRate(state.rate, state.unit, state.unit_scale)));
  for (const ProgressField& field : state.fields) {
    words.push_back(FormatField(field));
  }
  return absl::StrJoin(words, " ");
}

std::string FormatJson(const ProgressState& state, absl::Time now) {
  using Json = nlohmann::ordered_json;
  Json object = {
      {"time", static_cast<double>(absl::ToUnixMillis(now)) / 1000.0},
      {"description", state.description},
      {"done", state.done}};
  if (state.total > 0) object["total"] = state.total;
  object["unit"] = state.unit;
  object["elapsed"] = absl::ToDoubleSeconds(state.elapsed);
  if (state.rate > 0) object["rate"] = state.rate;
  Json& fields = object["fields"] = Json::object();
  for (const auto& [key, value] : state.fields) {
    fields[key] = Json(NumberToJson(value));
  }
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void RateEstimate::Add(int64_t items, absl::Duration time) {
  pending_seconds_ += absl::ToDoubleSeconds(time);
  if (items <= 0 || pending_seconds_ <= 0.0) return;
  // Both averages start at zero with the same weights, so the start's bias
  // cancels in their quotient.
  items_ += kSmoothing * (static_cast<double>(items) - items_);
  seconds_ += kSmoothing * (pending_seconds_ - seconds_);
  pending_seconds_ = 0.0;
  total_items_ += items;
}

double RateEstimate::rate() const {
  return total_items_ < kStepsBeforeEta ? 0.0 : items_ / seconds_;
}

}  // namespace cnn_fp4::base
