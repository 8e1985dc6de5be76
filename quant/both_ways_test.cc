// One read of a tensor against one call for each of its operands, bit for bit.

#include "quant/both_ways.h"

#include <omp.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/cpu/both_ways.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/cpu/parallel.h"
#include "quant/hadamard.h"
#include "quant/quantizer.h"
#include "quant/testing/reference_bits.h"
#include "quant/testing/restored_ways.h"

namespace cnn_fp4::quant {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A tensor of [N, C, positions].
struct Shape {
  int64_t n, c, positions;
  int64_t size() const { return n * c * positions; }
};

std::vector<float> Values(int64_t size) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(size);
  for (int64_t i = 0; i < size; ++i) {
    x[i] = normal(engine) * std::exp(2.0f * normal(engine));
    if (engine() % 16 == 0) x[i] = std::copysign(0.0f, x[i]);
    if (i / 32 % 11 == 5) x[i] = 0.0f;
  }
  return x;
}

struct Case {
  std::string rows;
  std::string columns;
  Shape shape;
  bool once;  // Whether one read serves both.
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const Shape shapes[] = {
      {2, 32, 64}, {1, 20, 1040}, {3, 16, 16}, {1, 48, 2304}, {2, 64, 256}};
  for (const Shape& shape : shapes) {
    for (const char* rows : {"nvfp4+sr", "nvfp4", "pow2_1x16+sr8"}) {
      for (const char* columns : {"nvfp4+sr", "nvfp4", "mxfp4+sr8"}) {
        cases.push_back({rows, columns, shape, true});
      }
    }
    cases.push_back({"nvfp4+sr+rht", "nvfp4+sr", shape, true});
  }
  const Shape even = {2, 64, 256};
  for (const char* other :
       {"mxfp4", "nvfp4+ties_away", "nvfp4_torchao", "nvfp4_modelopt",
        "nvfp4_compressed_tensors", "nvfp4_1level", "nvfp4+rht", "mxfp4+rht+sr",
        "nvfp4+sr_unbiased"}) {
    cases.push_back({other, "nvfp4", even, true});
    cases.push_back({"nvfp4", other, even, true});
  }
  // What is quantised one after the other.
  cases.push_back({"nvfp4_four_over_six", "nvfp4", even, false});
  cases.push_back({"nvfp4", "nvfp4_four_over_six+rht", even, false});
  cases.push_back({"nvfp4+rht", "nvfp4_2d", even, false});
  cases.push_back({"nvfp4", "nvfp4+block=128", {1, 128, 64}, false});
  cases.push_back({"mxfp4", "nvfp4", {3, 16, 48}, false});
  cases.push_back({"nvfp4", "nvfp4", {2, 16, 9}, false});
  cases.push_back({"nvfp4", "nvfp4", {2, 16, 0}, false});
  return cases;
}

OperandOf Operand(const std::string& name, const Shape& shape, int axis,
                  uint32_t stream, std::vector<float>& values) {
  OperandOf operand;
  operand.recipe = FindRecipe(name).value();
  operand.grid = BlockGrid::Along({shape.n, shape.c, shape.positions}, axis,
                                  operand.recipe)
                     .value();
  operand.options.seed = 3;
  operand.options.stream = stream;
  operand.options.step = 5;
  values.assign(shape.size(), -1.0f);
  operand.values = absl::MakeSpan(values);
  return operand;
}

// x in the basis in which it is quantised.
std::vector<float> Source(const std::vector<float>& x, const OperandOf& of) {
  if (!of.recipe.hadamard) return x;
  std::vector<float> y = x;
  const int64_t inner = of.grid.inner();
  for (int64_t first = 0; first < of.grid.size();
       first += kHadamardSize * inner) {
    for (int64_t i = 0; i < inner; ++i) {
      float group[kHadamardSize];
      for (int k = 0; k < kHadamardSize; ++k)
        group[k] = y[first + k * inner + i];
      RandomHadamard16(group, of.options.hadamard_signs);
      for (int k = 0; k < kHadamardSize; ++k)
        y[first + k * inner + i] = group[k];
    }
  }
  return y;
}

void ExpectSameStatistics(const DistortionStats& expected,
                          const DistortionStats& actual) {
  EXPECT_EQ(expected.count(), actual.count());
  EXPECT_EQ(expected.nonfinite(), actual.nonfinite());
  EXPECT_EQ(expected.exact(), actual.exact());
  EXPECT_EQ(expected.underflow(), actual.underflow());
  EXPECT_EQ(expected.UnderflowShare(), actual.UnderflowShare());
  EXPECT_EQ(expected.saturated(), actual.saturated());
  EXPECT_EQ(expected.code_counts(), actual.code_counts());
  EXPECT_EQ(expected.MaxAbsError(), actual.MaxAbsError());
  // The sums are of other parts.
  const auto near = [](double a, double b) {
    return (std::isnan(a) && std::isnan(b)) || a == b ||
           std::fabs(a - b) <= 1e-12 * std::fabs(a);
  };
  EXPECT_PRED2(near, expected.MeanSquaredError(), actual.MeanSquaredError());
  EXPECT_PRED2(near, expected.SqnrDb(), actual.SqnrDb());
  EXPECT_PRED2(near, expected.Cosine(), actual.Cosine());
}

// `operand`, made together with another one, against a call of its own.
void ExpectAsAlone(const std::vector<float>& x, const OperandOf& operand) {
  std::vector<float> values(x.size());
  const auto scale = QuantizeOperand(operand.recipe, operand.grid, x,
                                     absl::MakeSpan(values), operand.options);
  ASSERT_TRUE(scale.ok()) << scale.status();
  EXPECT_EQ(*scale, operand.tensor_scale);
  EXPECT_TRUE(SameBits(values, std::vector<float>(operand.values.begin(),
                                                  operand.values.end())));
  const PackedTensor packed =
      Quantize(operand.recipe, operand.grid, x, operand.options).value();
  if (operand.packed != nullptr) {
    ExpectSamePacked(packed, *operand.packed);
    EXPECT_EQ(operand.packed->recipe, operand.recipe);
    EXPECT_EQ(operand.packed->grid, operand.grid);
  }
  if (operand.statistics == nullptr) return;
  std::vector<uint8_t> codes;
  for (size_t i = 0; i < x.size(); ++i) {
    codes.push_back(CodeAt(packed, static_cast<int64_t>(i)));
    values[i] *= *scale;
  }
  DistortionStats expected;
  ASSERT_TRUE(expected.Add(Source(x, operand), values, codes).ok());
  ExpectSameStatistics(expected, *operand.statistics);
}

class BothWaysTest : public ::testing::Test {
 private:
  const RestoredWays restored_;
};

TEST_F(BothWaysTest, EachIsAsByACallOfItsOwn) {
  cpu::SetWorthThreadsForTest(1);
  int streamed = 0;
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const Case& c : Cases()) {
      // Bit 0: with codes, bit 1: with statistics.
      for (const int with : {0, 1, 2, 3}) {
        SCOPED_TRACE(std::string(set.name) + ": " + c.rows + " and " +
                     c.columns + " of " + std::to_string(c.shape.size()) +
                     " with " + std::to_string(with));
        cpu::SetStreamedBytesForTest(++streamed % 2);
        const std::vector<float> x = Values(c.shape.size());
        std::vector<float> rows, columns;
        DistortionStats row_statistics, column_statistics;
        BothWays both;
        both.rows = Operand(c.rows, c.shape, 2, 1, rows);
        both.columns = Operand(c.columns, c.shape, 1, 2, columns);
        PackedTensor row_codes, column_codes;
        if ((with & 1) != 0) {
          both.rows.packed = &row_codes;
          both.columns.packed = &column_codes;
        }
        if ((with & 2) != 0) {
          both.rows.statistics = &row_statistics;
          both.columns.statistics = &column_statistics;
        }
        const auto way = [](const OperandOf& of) -> cpu::Way {
          return {of.recipe, of.grid, of.options};
        };
        EXPECT_EQ(cpu::ServesBothWays(way(both.rows), way(both.columns)),
                  c.once);
        const absl::Status status = QuantizeBothWays(x, both);
        ASSERT_TRUE(status.ok()) << status;
        ExpectAsAlone(x, both.rows);
        ExpectAsAlone(x, both.columns);
        if (HasFailure()) return;
      }
    }
  }
}

// One of the two may have an amax that the other has not.
TEST_F(BothWaysTest, AmaxesAreFoundOrGiven) {
  const Shape shape = {2, 32, 64};
  const std::vector<float> x = Values(shape.size());
  for (const int given : {0, 1, 2, 3}) {
    std::vector<float> rows, columns;
    BothWays both;
    both.rows = Operand("nvfp4", shape, 2, 1, rows);
    both.columns = Operand("nvfp4", shape, 1, 2, columns);
    if (given & 1) both.rows.options.tensor_amax = 3.0f;
    if (given & 2) both.columns.options.tensor_amax = 30.0f;
    ASSERT_TRUE(QuantizeBothWays(x, both).ok());
    ExpectAsAlone(x, both.rows);
    ExpectAsAlone(x, both.columns);
  }
}

TEST_F(BothWaysTest, ValuesThatAreNotFiniteUnderEveryPolicy) {
  cpu::SetWorthThreadsForTest(1);
  const Shape shape = {2, 32, 1040};
  std::vector<float> x = Values(shape.size());
  x[70] = kNan;
  x[1040 + 71] = -kInfinity;
  x.back() = kInfinity;
  for (const char* rows :
       {"nvfp4", "mxfp4+block=16", "nvfp4+rht", "nvfp4+sr"}) {
    for (const char* columns : {"nvfp4", "mxfp4", "nvfp4+rht"}) {
      for (const NonFinitePolicy policy :
           {NonFinitePolicy::kRefuse, NonFinitePolicy::kSaturate,
            NonFinitePolicy::kPropagate}) {
        SCOPED_TRACE(std::string(rows) + " and " + columns + " policy " +
                     std::to_string(static_cast<int>(policy)));
        std::vector<float> row_values, column_values;
        DistortionStats row_statistics, column_statistics;
        BothWays both;
        both.rows = Operand(rows, shape, 2, 1, row_values);
        both.columns = Operand(columns, shape, 1, 2, column_values);
        both.rows.options.nonfinite = policy;
        PackedTensor packed;
        both.columns.packed = &packed;
        both.rows.statistics = &row_statistics;
        both.columns.statistics = &column_statistics;
        // The other one differs: what is not finite is no error there.
        both.columns.options.nonfinite = policy == NonFinitePolicy::kRefuse
                                             ? NonFinitePolicy::kPropagate
                                             : policy;
        const absl::Status status = QuantizeBothWays(x, both);
        if (policy == NonFinitePolicy::kRefuse) {
          EXPECT_THAT(status.message(), HasSubstr("element 70 is NaN"));
          EXPECT_EQ(row_statistics.count(), 0);
          continue;
        }
        ASSERT_TRUE(status.ok()) << status;
        ExpectAsAlone(x, both.rows);
        ExpectAsAlone(x, both.columns);
        EXPECT_GT(row_statistics.nonfinite(), 0);
      }
    }
  }
}

TEST_F(BothWaysTest, ThreadsAndInstructionSetsChangeNoBit) {
  const Shape shape = {4, 64, 1024};
  const std::vector<float> x = Values(shape.size());
  DistortionStats first_rows, first_columns;
  bool first = true;
  for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
    cpu::UseInstructionSet(set.id);
    for (const int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      std::vector<float> rows, columns;
      DistortionStats row_statistics, column_statistics;
      BothWays both;
      both.rows = Operand("nvfp4+sr+rht", shape, 2, 1, rows);
      both.columns = Operand("nvfp4+sr", shape, 1, 2, columns);
      both.rows.statistics = &row_statistics;
      both.columns.statistics = &column_statistics;
      ASSERT_TRUE(QuantizeBothWays(x, both).ok());
      if (first) {
        first_rows = row_statistics;
        first_columns = column_statistics;
        first = false;
      }
      for (const auto& [a, b] : {std::pair(first_rows, row_statistics),
                                 std::pair(first_columns, column_statistics)}) {
        EXPECT_EQ(a.MeanSquaredError(), b.MeanSquaredError()) << set.name;
        EXPECT_EQ(a.SqnrDb(), b.SqnrDb()) << set.name;
        EXPECT_EQ(a.Cosine(), b.Cosine()) << set.name;
        EXPECT_EQ(a.code_counts(), b.code_counts()) << set.name;
      }
    }
  }
}

TEST_F(BothWaysTest, StatisticsAreAddedTo) {
  const Shape shape = {1, 16, 64};
  const std::vector<float> x = Values(shape.size());
  std::vector<float> rows, columns;
  DistortionStats statistics;
  BothWays both;
  both.rows = Operand("nvfp4", shape, 2, 1, rows);
  both.columns = Operand("nvfp4", shape, 1, 2, columns);
  both.rows.statistics = both.columns.statistics = &statistics;
  ASSERT_TRUE(QuantizeBothWays(x, both).ok());
  ASSERT_TRUE(QuantizeBothWays(x, both).ok());
  EXPECT_EQ(statistics.count(), 4 * shape.size());
}

TEST_F(BothWaysTest, WhatDoesNotFitIsRefused) {
  const Shape shape = {1, 16, 64};
  std::vector<float> x = Values(shape.size());
  const std::vector<float> before = x;
  std::vector<float> rows, columns;
  const auto fresh = [&] {
    BothWays both;
    both.rows = Operand("nvfp4", shape, 2, 1, rows);
    both.columns = Operand("nvfp4", shape, 1, 2, columns);
    return both;
  };
  // In place, the second operand would be made of the first one.
  for (const int which : {0, 1, 2}) {
    BothWays both = fresh();
    if (which == 0) both.rows.values = absl::MakeSpan(x);
    if (which == 1) both.columns.values = absl::MakeSpan(x);
    if (which == 2) both.columns.values = both.rows.values;
    EXPECT_THAT(QuantizeBothWays(x, both).message(), HasSubstr("separate"));
  }
  EXPECT_EQ(x, before);
  BothWays both = fresh();
  both.columns.values = both.columns.values.first(16);
  EXPECT_THAT(QuantizeBothWays(x, both).message(), HasSubstr("16 elements"));
  both = fresh();
  both.rows = Operand("nvfp4_rowscaled", shape, 2, 1, rows);
  EXPECT_THAT(QuantizeBothWays(x, both).message(),
              HasSubstr("a scale for each row"));
  both = fresh();
  both.columns.grid = BlockGrid::Flat(32, both.columns.recipe).value();
  EXPECT_FALSE(QuantizeBothWays(x, both).ok());
}

}  // namespace
}  // namespace cnn_fp4::quant
