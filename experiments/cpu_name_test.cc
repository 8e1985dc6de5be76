#include "experiments/cpu_name.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

std::string NameIn(const std::string& text) {
  std::istringstream cpuinfo(text);
  return CpuName(cpuinfo);
}

TEST(CpuNameTest, TellsMachinesOfOneNameApart) {
  // Two machines of one provider.
  EXPECT_EQ(NameIn("processor\t: 0\nvendor_id\t: AuthenticAMD\n"
                   "cpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
                   "flags\t\t: fpu avx sse4_2 avx2 vaes\n\n"),
            "AMD EPYC (family 25, model 1, AVX2)");
  EXPECT_EQ(NameIn("processor\t: 0\nvendor_id\t: AuthenticAMD\n"
                   "cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n"
                   "flags\t\t: fpu avx avx2 avx512f avx512bw\n\n"),
            "AMD EPYC (family 26, model 2, AVX-512)");
}

TEST(CpuNameTest, FirstProcessorCounts) {
  EXPECT_EQ(NameIn("model name\t: A\nmodel\t: 1\n\n"
                   "model name\t: B\nmodel\t: 2\ncpu family\t: 3\n"),
            "A (model 1)");
}

TEST(CpuNameTest, LeavesOutWhatIsNotSaid) {
  EXPECT_EQ(NameIn("model name\t: X: 3 @ 2.0GHz\n"), "X: 3 @ 2.0GHz");
  EXPECT_EQ(NameIn("processor\t: 0\nBogoMIPS\t: 50.00\n"), "unknown");
  EXPECT_EQ(NameIn(""), "unknown");
}

TEST(CpuNameTest, OfThisMachine) {
  EXPECT_THAT(CpuName(), testing::Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace cnn_fp4::experiments
