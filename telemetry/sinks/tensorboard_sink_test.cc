#include "telemetry/sinks/tensorboard_sink.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/sinks/event.pb.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1724277733125);

uint64_t LittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

// As TensorBoard reads: stops at the first record that is cut short or whose
// checksum is wrong.
std::vector<event::Event> Read(absl::string_view bytes) {
  std::vector<event::Event> events;
  while (bytes.size() >= 12) {
    const uint64_t size = LittleEndian(bytes.substr(0, 8));
    if (LittleEndian(bytes.substr(8, 4)) != MaskedCrc32c(bytes.substr(0, 8)) ||
        bytes.size() < 16 + size) {
      break;
    }
    const absl::string_view data = bytes.substr(12, size);
    if (LittleEndian(bytes.substr(12 + size, 4)) != MaskedCrc32c(data)) break;
    events.emplace_back();
    EXPECT_TRUE(events.back().ParseFromString(std::string(data)));
    bytes.remove_prefix(16 + size);
  }
  return events;
}

class TensorBoardSinkTest : public ::testing::Test {
 protected:
  TensorBoardSinkTest()
      : directory_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(directory_);
  }

  std::string RunDirectory() const { return directory_ + "-run"; }

  // The bytes of the one event file of an arm.
  std::string Bytes(const std::string& arm) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(directory_ + "/" + arm)) {
      files.push_back(entry.path().string());
    }
    EXPECT_EQ(files.size(), 1u);
    EXPECT_THAT(files.at(0), HasSubstr("/events.out.tfevents.172427773"));
    std::ifstream in(files.at(0), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  void WriteAll(const std::vector<Record>& records, Sink& sink) {
    for (const Record& record : records) {
      const absl::Status status = sink.Write(record);
      ASSERT_TRUE(status.ok()) << status;
    }
  }

  const std::string directory_;
};

const std::vector<Record>& Records() {
  static const auto* const records = new std::vector<Record>{
      {Config{R"({"arms":["a"],"train":{"steps":3,"rate":0.5},"x":true})"}, "",
       kTime},
      {Scalars{1, {{"train/loss", 0.25}, {"nan", std::nan("")}}}, "nvfp4",
       kTime + absl::Seconds(1)},
      {LayerStats{
           1, TensorKind::kActivations, "enc1.conv1", {{StatId::kSqnrDb, 20}}},
       "nvfp4", kTime},
      {LayerHistogram{1,
                      TensorKind::kWeightsQuantized,
                      "enc1.conv1",
                      HistogramOf::kCodes,
                      0,
                      {4, 1}},
       "nvfp4", kTime},
      {ArmEnd{1}, "nvfp4", kTime},
      {Exit{0}, "", kTime},
  };
  return *records;
}

TEST_F(TensorBoardSinkTest, EveryRecordOfAnArmIsAnEvent) {
  const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
  WriteAll(Records(), *sink);
  ASSERT_TRUE(sink->Finish().ok());
  const std::vector<event::Event> events = Read(Bytes("nvfp4"));
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_EQ(events[0].wall_time(), 1724277734.125);

  // Every tag of a scalar is in a chart of the layout.
  const event::Summary::Value& value = events[1].summary().value(0);
  EXPECT_EQ(value.tag(), "custom_scalars__config__");
  EXPECT_EQ(value.metadata().plugin_data().plugin_name(), "custom_scalars");
  event::Layout layout;
  ASSERT_TRUE(layout.ParseFromString(value.tensor().string_val(0)));
  std::set<std::string> shown;
  for (const auto& category : layout.category()) {
    for (const auto& chart : category.chart()) {
      for (const std::string tag :
           {"train/loss", "sqnr_db_activations/enc1_conv1",
            "mean_weights_dequantized/enc1_conv1"}) {
        if (std::regex_search(tag, std::regex(chart.multiline().tag(0)))) {
          EXPECT_TRUE(shown.insert(tag).second) << tag << " is in two charts";
        }
      }
    }
  }
  EXPECT_EQ(shown.size(), 3u);

  event::HParams start;
  const event::Summary& config = events[2].summary();
  EXPECT_EQ(config.value(0).tag(), "_hparams_/session_start_info");
  ASSERT_TRUE(start.ParseFromString(
      config.value(0).metadata().plugin_data().content()));
  const auto& hparams = start.session_start_info().hparams();
  EXPECT_EQ(hparams.at("train.steps").number_value(), 3);
  EXPECT_EQ(hparams.at("arm").string_value(), "nvfp4");
  EXPECT_TRUE(hparams.at("x").bool_value());
  EXPECT_EQ(hparams.count("arms"), 0u);
  EXPECT_THAT(config.value(1).tensor().string_val(0),
              HasSubstr("\"steps\": 3"));

  EXPECT_EQ(events[3].step(), 1);
  EXPECT_EQ(events[3].summary().value(0).tag(), "train/loss");
  EXPECT_EQ(events[3].summary().value(0).simple_value(), 0.25f);
  EXPECT_TRUE(std::isnan(events[3].summary().value(1).simple_value()));

  EXPECT_EQ(events[4].summary().value(0).tag(),
            "sqnr_db_activations/enc1_conv1");
  EXPECT_EQ(events[4].summary().value(0).simple_value(), 20.0f);

  const event::Summary::Value& codes = events[5].summary().value(0);
  EXPECT_EQ(codes.tag(), "codes_weights_quantized/enc1_conv1");
  EXPECT_EQ(codes.metadata().plugin_data().plugin_name(), "histograms");
  ASSERT_EQ(codes.tensor().double_val_size(), 90);
  EXPECT_EQ(codes.tensor().double_val(3 * 15), 0);      // From 0 ...
  EXPECT_EQ(codes.tensor().double_val(3 * 15 + 1), 1);  // ... to 1:
  EXPECT_EQ(codes.tensor().double_val(3 * 15 + 2), 4);  // code 0.
  EXPECT_EQ(codes.tensor().double_val(3 * 16 + 2), 1);

  event::HParams end;
  ASSERT_TRUE(end.ParseFromString(
      events[6].summary().value(0).metadata().plugin_data().content()));
  EXPECT_EQ(end.session_end_info().status(), 2);
}

TEST_F(TensorBoardSinkTest, PicturesTablesAndTheSystem) {
  fs::create_directories(RunDirectory());
  const std::string png(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x05\0\0\0\x03\x08\x02", 26);
  std::ofstream(RunDirectory() + "/a.png", std::ios::binary) << png;
  base::Table table({"layer", "SQNR"});
  table.AddRow({"enc1", {20.25, 1}});
  const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
  WriteAll({{Image{2, "heatmaps/gradients", "a.png", "What it is."}, "nvfp4",
             kTime + absl::Seconds(1)},
            {Html{2, "heatmaps/gradients", "a.html"}, "nvfp4", kTime},
            {TableRecord{"layers", table}, "nvfp4", kTime},
            {SystemStats{2,
                         150,
                         5 << 20,
                         int64_t{3} << 30,
                         9,
                         {{87, 1 << 30, int64_t{4} << 30, 61, NAN}}},
             "nvfp4", kTime},
            {Text{"console", "line"}, "nvfp4", kTime},
            {ArmMeasured{}, "nvfp4", kTime}},
           *sink);
  const std::vector<event::Event> events = Read(Bytes("nvfp4"));
  ASSERT_EQ(events.size(), 2u + 3);
  EXPECT_EQ(events[2].step(), 2);
  const event::Summary::Value& image = events[2].summary().value(0);
  EXPECT_EQ(image.tag(), "heatmaps/gradients");
  EXPECT_EQ(image.metadata().plugin_data().plugin_name(), "images");
  EXPECT_EQ(image.metadata().data_class(), 3);
  EXPECT_EQ(image.tensor().tensor_shape().dim(0).size(), 3);
  EXPECT_THAT(image.tensor().string_val(),
              ::testing::ElementsAre("5", "3", png));
  const event::Summary::Value& text = events[3].summary().value(0);
  EXPECT_EQ(text.tag(), "layers");
  EXPECT_EQ(text.metadata().plugin_data().plugin_name(), "text");
  EXPECT_THAT(text.tensor().string_val(0), HasSubstr("| enc1"));
  const event::Summary& system = events[4].summary();
  EXPECT_EQ(events[4].step(), 2);
  EXPECT_EQ(system.value(0).tag(), "system/cpu_percent");
  EXPECT_EQ(system.value(0).simple_value(), 150);
  EXPECT_EQ(system.value(1).tag(), "system/resident_mib");
  EXPECT_EQ(system.value(1).simple_value(), 5);
  // The GPU does not tell its power.
  ASSERT_EQ(system.value_size(), 4 + 3);
  EXPECT_EQ(system.value(4).tag(), "system/gpu_0_busy_percent");
  EXPECT_EQ(system.value(4).simple_value(), 87);
  EXPECT_EQ(system.value(5).tag(), "system/gpu_0_memory_mib");
  EXPECT_EQ(system.value(5).simple_value(), 1024);
}

TEST_F(TensorBoardSinkTest, APictureThatIsNoneIsRefused) {
  fs::create_directories(RunDirectory());
  std::ofstream(RunDirectory() + "/a.png") << "<html>";
  const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
  EXPECT_FALSE(sink->Write({Image{2, "a", "a.png", ""}, "a", kTime}).ok());
  EXPECT_FALSE(sink->Write({Image{2, "a", "none.png", ""}, "a", kTime}).ok());
}

TEST_F(TensorBoardSinkTest, AFileThatIsCutOffAnywhereLosesItsLastRecord) {
  const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
  std::vector<size_t> ends;
  for (const Record& record : Records()) {
    ASSERT_TRUE(sink->Write(record).ok());
    if (fs::exists(directory_ + "/nvfp4")) {
      ends.push_back(Bytes("nvfp4").size());  // What Write returned is there.
    }
  }
  const std::string bytes = Bytes("nvfp4");
  const std::vector<event::Event> all = Read(bytes);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<event::Event> some = Read(bytes.substr(0, size));
    size_t whole = 0;
    for (const size_t end : ends) whole += end <= size;
    // The version, the layout and the configuration come with the first record;
    // the last record, of the whole run, adds nothing.
    if (whole > 0) {
      EXPECT_GE(some.size(), std::min(whole + 3, all.size())) << size;
    }
    for (size_t i = 0; i < some.size(); ++i) {
      EXPECT_EQ(some[i].SerializeAsString(), all[i].SerializeAsString());
    }
  }
}

TEST_F(TensorBoardSinkTest, ArmsLieBesideEachOtherAndOldFilesAreReplaced) {
  for (int process = 0; process < 2; ++process) {
    const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
    WriteAll({{Scalars{1, {{"loss", 1}}}, "fp16", kTime},
              {Scalars{1, {{"loss", 2}}}, "nvfp4", kTime}},
             *sink);
  }
  EXPECT_EQ(Read(Bytes("fp16")).at(2).summary().value(0).simple_value(), 1);
  EXPECT_EQ(Read(Bytes("nvfp4")).at(2).summary().value(0).simple_value(), 2);
}

TEST_F(TensorBoardSinkTest, ADirectoryThatCannotBeMadeIsAnError) {
  std::ofstream{directory_} << "a file";
  const auto sink = TensorBoardSink::Create(directory_, RunDirectory());
  const absl::Status status =
      sink->Write({Scalars{1, {{"loss", 1}}}, "fp16", kTime});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory_));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
