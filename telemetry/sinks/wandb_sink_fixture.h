#ifndef TELEMETRY_SINKS_WANDB_SINK_FIXTURE_H_
#define TELEMETRY_SINKS_WANDB_SINK_FIXTURE_H_

// What the tests of W&B's run files share: reading them as W&B does.

#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/wandb.pb.h"
#include "telemetry/sinks/wandb_sink.h"

namespace cnn_fp4::telemetry {
namespace fs = std::filesystem;

inline const absl::Time kTime = absl::FromUnixMillis(1724277733125);

inline uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

// As W&B reads: stops at the first chunk that is cut short or damaged.
inline std::vector<std::string> ReadRecords(absl::string_view bytes) {
  std::vector<std::string> records;
  if (bytes.substr(0, 7) != absl::string_view(":W&B\xe1\xbe\0", 7)) return {};
  std::string record;
  for (size_t at = 7; at < bytes.size();) {
    const size_t room = 32768 - at % 32768;
    if (room < 7) {
      at += room;
      continue;
    }
    if (bytes.size() - at < 7) break;
    const size_t size = LittleEndian(bytes.substr(at + 4, 2));
    if (size > room - 7 || bytes.size() - at < 7 + size) break;
    const absl::string_view checked = bytes.substr(at + 6, 1 + size);
    const uint32_t crc = crc32(
        0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    if (crc != LittleEndian(bytes.substr(at, 4))) break;
    absl::StrAppend(&record, checked.substr(1));
    if (checked[0] == 1 || checked[0] == 4) {
      records.push_back(record);
      record.clear();
    }
    at += 7 + size;
  }
  return records;
}

class WandbSinkTest : public ::testing::Test {
 protected:
  WandbSinkTest()
      : directory_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }

  WandbSinkOptions Options() const {
    WandbSinkOptions options;
    options.directory = directory_;
    options.group = "test/1";
    options.started = kTime;
    options.labels = {"my project", "", {"fp4"}, "a note \xff"};
    options.environment = {"Linux", "abc123", 2};
    return options;
  }

  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.is_open()) << path;
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // The bytes of the run files by the runs' ids.
  std::map<std::string, std::string> Runs() const {
    std::map<std::string, std::string> runs;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename().string();
      const std::string prefix = absl::StrCat(
          "offline-run-",
          absl::FormatTime("%Y%m%d_%H%M%S", kTime, absl::LocalTimeZone()), "-");
      EXPECT_EQ(name.substr(0, prefix.size()), prefix);
      const std::string id = name.substr(prefix.size());
      EXPECT_EQ(id.size(), 8u);
      EXPECT_TRUE(fs::is_directory(entry.path() / "files"));
      runs[id] = Read(entry.path() / absl::StrCat("run-", id, ".wandb"));
    }
    return runs;
  }

  static std::vector<wandb::Record> Parse(const std::string& bytes) {
    std::vector<wandb::Record> records;
    for (const std::string& record : ReadRecords(bytes)) {
      records.emplace_back();
      EXPECT_TRUE(records.back().ParseFromString(record));
      EXPECT_EQ(records.back().num(), static_cast<int64_t>(records.size()));
    }
    return records;
  }

  static void WriteAll(const std::vector<Record>& records, Sink& sink) {
    for (const Record& record : records) {
      const absl::Status status = sink.Write(record);
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  const std::string directory_;
};

// The field of a value is behind a ".".
template <typename Items>
inline std::map<std::string, std::string> ByKey(const Items& items) {
  std::map<std::string, std::string> by_key;
  for (const wandb::Item& item : items) {
    EXPECT_GE(item.nested_key_size(), 1);
    EXPECT_LE(item.nested_key_size(), 2);
    const std::string key = absl::StrJoin(item.nested_key(), ".");
    EXPECT_TRUE(by_key.emplace(key, item.value_json()).second) << key;
  }
  return by_key;
}

// The value with these fields.
inline nlohmann::json Nested(const std::map<std::string, std::string>& row,
                             const std::string& key) {
  nlohmann::json value = nlohmann::json::object();
  for (const auto& [name, json] : row) {
    if (absl::StartsWith(name, key + ".")) {
      value[name.substr(key.size() + 1)] = nlohmann::json::parse(json);
    }
  }
  return value;
}

inline const std::vector<Record>& Records() {
  static const auto* const records = new std::vector<Record>{
      {Config{R"({"train":{"steps":2}})"}, "", kTime},
      {Scalars{1, {{"loss", 0.1}, {"norm", std::nan("")}}}, "nvfp4", kTime},
      {LayerStats{
           1, TensorKind::kActivations, "enc1.conv1", {{StatId::kSqnrDb, 20}}},
       "nvfp4", kTime},
      {LayerHistogram{1,
                      TensorKind::kWeightsQuantized,
                      "a",
                      HistogramOf::kCodes,
                      0,
                      {4, 1}},
       "nvfp4", kTime},
      {Scalars{2, {{"loss", 0.05}}}, "nvfp4", kTime + absl::Seconds(3)},
      {Scalars{2, {{"val/iou", 0.5}}}, "nvfp4", kTime + absl::Seconds(4)},
      {ArmEnd{0}, "nvfp4", kTime + absl::Seconds(5)},
      {Exit{0}, "", kTime},
  };
  return *records;
}

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_SINK_FIXTURE_H_
