#include "experiments/report_sections.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<train::Metric>& Metrics() {
  static const auto* const metrics = new std::vector<train::Metric>{
      {"mean_iou", "mIoU", "", 0, true, true},
      {"iou/background", "IoU background", "", 0, true, false, false}};
  return *metrics;
}

std::string Sections(const std::string& lines) {
  const std::string path = ::testing::TempDir() + "/metrics.jsonl";
  std::ofstream(path) << lines;
  const auto arms = ReadReportData(path);
  EXPECT_TRUE(arms.ok()) << arms.status();
  return ReportSections(*arms, {"fp16", "nvfp4"}, Metrics());
}

std::string Scalars(const std::string& arm, int step, const std::string& key,
                    const std::string& value) {
  return R"({"type":"scalars","time":1,"model":")" + arm + R"(","step":)" +
         std::to_string(step) + R"(,"values":{")" + key + R"(":)" + value +
         "}}\n";
}

std::string Stats(int step, const std::string& tensor, const std::string& layer,
                  double centered) {
  return R"({"type":"layer_stats","time":1,"model":"nvfp4","step":)" +
         std::to_string(step) + R"(,"tensor":")" + tensor + R"(","layer":")" +
         layer + R"(","values":{"sqnr_db":20.5,"sqnr_centered_db":)" +
         std::to_string(centered) + "}}\n";
}

std::string Codes(int step, const std::string& tensor) {
  return R"({"type":"histogram","time":1,"model":"nvfp4","step":)" +
         std::to_string(step) + R"(,"tensor":")" + tensor +
         R"(","layer":"enc1.conv1","of":"codes","first":0,)" +
         R"("counts":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,)" +
         std::to_string(step) + R"(],"zeros":0,"nonfinite":0})" + "\n";
}

TEST(ReportSections, CurvesOfTheArmsOverlaid) {
  const std::string html =
      Sections(Scalars("fp16", 1, "train/loss", "0.5") +
               Scalars("nvfp4", 1, "train/loss", "0.75") +
               Scalars("nvfp4", 2, "train/loss", "\"NaN\"") +
               Scalars("fp16", 2, "val/mean_iou", "0.875") +
               Scalars("fp16", 2, "val/iou/background", "0.9"));
  EXPECT_THAT(html, HasSubstr("fp16 ends at 0.5. nvfp4 ends at nan."));
  EXPECT_THAT(html, HasSubstr("<title>mIoU</title>"));
  EXPECT_THAT(html, Not(HasSubstr("IoU background")));
  EXPECT_THAT(html, Not(HasSubstr("Layers by")));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
}

TEST(ReportSections, TheLayerThatLosesMostIsNamedFirst) {
  const std::string html =
      Sections(Stats(1, "activations", "dec1.conv2", 1) +  // An earlier step.
               Stats(5, "activations", "enc1.conv1", 9.25) +
               Stats(5, "activations", "enc1.conv2", 19) +
               Stats(5, "activations", "dec1.conv2", 18) +
               Stats(5, "weights/quantized", "enc1.conv2", 17));
  EXPECT_THAT(html,
              HasSubstr("enc1.conv1 loses most: 9.2 dB about the mean in its "
                        "worse operand; the layer in the middle has 17.0 dB."));
  EXPECT_LT(html.find("<td>enc1.conv1"), html.find("<td>enc1.conv2"));
  EXPECT_LT(html.find("<td>enc1.conv2"), html.find("<td>dec1.conv2"));
  EXPECT_THAT(html, Not(HasSubstr("<h3>fp16")));
}

TEST(ReportSections, WhatOtherRecipesWouldDoBesideWhatIsInUse) {
  const auto stats = [](const std::string& layer, const std::string& recipe,
                        double sqnr) {
    return R"({"type":"layer_stats","time":1,"model":"nvfp4","step":5,)"
           R"("tensor":"activations","layer":")" +
           layer + "\"" +
           (recipe.empty() ? "" : R"(,"recipe":")" + recipe + "\"") +
           R"(,"values":{"sqnr_db":)" + std::to_string(sqnr) +
           R"(,"underflow_pct":2}})" + "\n";
  };
  const std::string used = stats("a", "", 20) + stats("b", "", 22);
  EXPECT_THAT(Sections(used), Not(HasSubstr("other recipes")));
  const std::string html =
      Sections(used + stats("a", "mxfp4", 16) + stats("b", "mxfp4", 17));
  EXPECT_THAT(html, HasSubstr("<h2>What other recipes would do</h2>"));
  EXPECT_THAT(html, HasSubstr("<td>what is in use</td>"
                              "<td class=\"number\">21.0</td>"));
  EXPECT_THAT(html, HasSubstr("<td>mxfp4</td><td class=\"number\">16.5</td>"));
  // Of an arm without FP4 nothing is in use that could be compared.
  EXPECT_THAT(Sections(stats("a", "mxfp4", 16)),
              Not(HasSubstr("what is in use")));
}

TEST(ReportSections, HistogramsOfBothOperandsByStep) {
  const std::string html =
      Sections(Codes(1, "activations") + Codes(7, "activations") +
               Codes(7, "weights/quantized"));
  EXPECT_THAT(html, HasSubstr("\"steps\":[1,7]"));
  // Weights were not measured at step 1.
  EXPECT_THAT(
      html,
      HasSubstr("\"charts\":{\"codes\":[{\"title\":\"Weights of \",\"first\":0,"
                "\"counts\":[null,[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,7]]},"
                "{\"title\":\"Activations that enter \",\"first\":0,"
                "\"counts\":[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,1],[1,2,3"));
  EXPECT_THAT(html, AllOf(HasSubstr("<script>"), Not(HasSubstr("src="))));
}

// Places are powers of two; the bars go from the first to the last that has a
// value at any step.
TEST(ReportSections, HistogramsOfMagnitudesAndOfScales) {
  const auto histogram = [](int step, const std::string& tensor,
                            const std::string& of, int first,
                            const std::string& counts) {
    return R"({"type":"histogram","time":1,"model":"nvfp4","step":)" +
           std::to_string(step) + R"(,"tensor":")" + tensor +
           R"(","layer":"enc1.conv1","of":")" + of + R"(","first":)" +
           std::to_string(first) + R"(,"counts":[)" + counts +
           R"(],"zeros":3,"nonfinite":1})" + "\n";
  };
  const std::string none24 = "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0";
  const std::string html = Sections(
      histogram(1, "output_gradients", "exponents", -40,
                "0,4,5,0,0,0," + none24) +
      histogram(2, "output_gradients", "exponents", -40,
                "0,0,6,7,0,0," + none24) +
      // E4M3 codes 56 and 64 are 1 and 2; E8M0's 126 and 127 are 0.5 and 1.
      histogram(1, "activations", "e4m3_scales", 56, "2,0,0,0,0,0,0,0,9") +
      histogram(2, "weights/quantized", "e8m0_scales", 126, "8,1"));
  EXPECT_THAT(
      html, HasSubstr("\"magnitudes\":[{\"title\":\"Gradient of what leaves \","
                      "\"first\":-39,\"counts\":[[4,5,0],[0,6,7]],"
                      "\"zeros\":[3,3],\"nonfinite\":[1,1]}]"));
  EXPECT_THAT(html, HasSubstr("\"scales\":[{\"title\":\"Weights of \","
                              "\"first\":-1,\"counts\":[null,[8,1]],"
                              "\"zeros\":[0,3],\"nonfinite\":[0,1]},"
                              "{\"title\":\"Activations that enter \","
                              "\"first\":0,\"counts\":[[2,9],null],"
                              "\"zeros\":[3,0],\"nonfinite\":[1,0]}]"));
  // The scale of a block of zeros is none of the powers of two.
  EXPECT_THAT(Sections(histogram(1, "activations", "e4m3_scales", 0,
                                 "5,0,0,0,0,0,0,0,9")),
              HasSubstr("\"first\":-6,\"counts\":[[9]],\"zeros\":[5],"));
}

TEST(ReportSections, TheMapOfFp4ValuesIsOfTheLastStep) {
  // Counts 1 to 15 and, of -6, the step: at step 24, 144 in all.
  const std::string html =
      Sections(Codes(1, "activations") + Codes(24, "activations"));
  EXPECT_THAT(html, HasSubstr("nvfp4: activations that enter the layer"));
  EXPECT_THAT(html, Not(HasSubstr("nvfp4: weights")));
  // +0 and -0 are one value: 1 and 9 of 144.
  EXPECT_THAT(html, HasSubstr("<title>enc1.conv1, 0: 6.94 %</title>"));
  EXPECT_THAT(html, HasSubstr("<title>enc1.conv1, 6: 5.56 %</title>"));
  EXPECT_THAT(html, HasSubstr("<title>enc1.conv1, \xe2\x88\x92"
                              "6: 16.7 %"));
}

TEST(ReportSections, LongRunsAreThinnedAndSaySo) {
  std::string lines;
  for (int step = 1; step <= 100; ++step) lines += Codes(step, "activations");
  const std::string html = Sections(lines);
  EXPECT_THAT(html, HasSubstr("21 of 100 recorded steps are here"));
  EXPECT_THAT(html, HasSubstr("\"steps\":[1,6,11,"));
  EXPECT_THAT(html, HasSubstr(",96,100]"));
}

TEST(ReportSections, WhatIsNoRecordNamesFileAndLine) {
  const std::string path = ::testing::TempDir() + "/broken.jsonl";
  std::ofstream(path) << "{\"type\":\"scalars\"}\n";
  EXPECT_THAT(ReadReportData(path).status().message(),
              HasSubstr("broken.jsonl:1"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
