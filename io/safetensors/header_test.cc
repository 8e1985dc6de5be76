#include "io/safetensors/header.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::safetensors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTwo[] =
    R"({"__metadata__":{"format":"pt","k":"v"},)"
    R"("b":{"dtype":"F16","shape":[],"data_offsets":[24,26]},)"
    R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}   )";

TEST(HeaderTest, ParsesTensorsInTheOrderOfTheirData) {
  const auto header = ParseHeader("f", kTwo, 26);
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[0].dtype, DType::kF32);
  EXPECT_THAT(header->tensors[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(header->tensors[0].num_bytes(), 24);
  EXPECT_EQ(header->tensors[1].name, "b");
  EXPECT_TRUE(header->tensors[1].shape.empty());
  EXPECT_EQ(header->metadata.at("format"), "pt");
  EXPECT_EQ(header->metadata.at("k"), "v");
}

TEST(HeaderTest, EmptyFileOfNoTensorsIsValid) {
  EXPECT_TRUE(ParseHeader("f", "{}", 0).ok());
}

TEST(HeaderTest, EmptyTensorsMayShareAPlace) {
  const auto header =
      ParseHeader("f",
                  R"({"c":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                  R"("a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},)"
                  R"("b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
                  4);
  EXPECT_TRUE(header.ok()) << header.status();
}

TEST(HeaderTest, EveryDTypeSurvivesTheRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DType::kU64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(ParseDType(DTypeName(dtype)), dtype);
    Header header;
    TensorInfo info;
    info.name = "t";
    info.dtype = dtype;
    info.shape = {8};
    info.end = DTypeBits(dtype);
    header.tensors.push_back(info);
    header.metadata["k\n\"\xC3\xA9"] = "v";
    const auto text = SerializeHeader("f", header);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->size() % 8, 0u);
    const auto back = ParseHeader("f", text->substr(8), info.end);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->tensors[0].dtype, dtype);
    EXPECT_EQ(back->metadata, header.metadata);
  }
}

TEST(HeaderTest, SerializeRefusesWhatIsNotUtf8) {
  Header header;
  header.tensors.push_back({"\xFF", DType::kU8, {1}, 0, 1});
  const auto text = SerializeHeader("f", header);
  EXPECT_FALSE(text.ok());
}

struct BadCase {
  const char* name;
  std::string json;
  const char* message;  // A part of the expected one.
};

void PrintTo(const BadCase& bad, std::ostream* out) { *out << bad.name; }

std::string Tensor(const std::string& fields) {
  return R"({"w":{)" + fields + "}}";
}

class BadHeaderTest : public ::testing::TestWithParam<BadCase> {};

// The data section has 16 bytes.
TEST_P(BadHeaderTest, IsRefusedInOneLineThatNamesTheFile) {
  const auto header = ParseHeader("file.st", GetParam().json, 16);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(header.status().message());
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.rfind("file.st: ", 0), 0u) << message;
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  EXPECT_LT(message.size(), 600u);
  for (const char c : message) {
    EXPECT_GE(static_cast<unsigned char>(c), 0x20) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Json, BadHeaderTest,
    ::testing::Values(
        BadCase{"empty", "", "does not begin with '{'"},
        BadCase{"space_first", " {}", "does not begin with '{'"},
        BadCase{"array", "[]", "does not begin with '{'"},
        BadCase{"unclosed", "{\"w\":", "not valid JSON"},
        BadCase{"garbage_after", "{} x", "not valid JSON"},
        BadCase{"nul_after", std::string("{}\0", 3), "not valid JSON"},
        BadCase{"broken_utf8", "{\"\xC3(\":{}}", "UTF-8"},
        BadCase{"overlong_utf8", "{\"\xC0\xAF\":{}}", "UTF-8"},
        BadCase{"lone_surrogate", "{\"\\ud800\":{}}", "surrogate"},
        BadCase{"deep", "{\"w\":" + std::string(1000000, '['),
                "tensor 'w': expected an object"},
        BadCase{"deep_shape", R"({"w":{"shape":)" + std::string(9999, '['),
                "tensor 'w': expected a non-negative integer"},
        BadCase{"newline_in_name", R"({"a\nb":3})", "tensor 'a\\nb'"},
        BadCase{"long_name", "{\"" + std::string(100000, 'n') + "\":3}",
                "'..."}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Grammar, BadHeaderTest,
    ::testing::Values(
        BadCase{"duplicate_tensor",
                R"({"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},)"
                R"("w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})",
                "duplicate key 'w'"},
        BadCase{"duplicate_metadata",
                R"({"__metadata__":{},"__metadata__":{}})",
                "duplicate key '__metadata__'"},
        BadCase{"duplicate_metadata_key", R"({"__metadata__":{"a":"","a":""}})",
                "__metadata__: duplicate key 'a'"},
        BadCase{"duplicate_field", Tensor(R"("dtype":"U8","dtype":"U8")"),
                "tensor 'w': duplicate key 'dtype'"},
        BadCase{"unknown_field", Tensor(R"("strides":[1])"),
                "unknown key 'strides'"},
        BadCase{"tensor_is_null", R"({"w":null})", "tensor 'w': expected"},
        BadCase{"metadata_is_list", R"({"__metadata__":[]})",
                "__metadata__: expected an object"},
        BadCase{"metadata_of_numbers", R"({"__metadata__":{"a":1}})",
                "__metadata__: expected a string"},
        BadCase{"dtype_is_number", Tensor(R"("dtype":1)"),
                "expected a string for dtype"},
        BadCase{"shape_is_string", Tensor(R"("shape":"16")"),
                "expected an array for shape"},
        BadCase{"negative_extent", Tensor(R"("shape":[-1])"),
                "the negative number -1"},
        BadCase{"fraction", Tensor(R"("shape":[1.5])"), "the number 1.5"},
        BadCase{"extent_2_64", Tensor(R"("shape":[18446744073709551616])"),
                "no 64-bit integer"},
        BadCase{"boolean", Tensor(R"("shape":[true])"), "found a boolean"},
        BadCase{"no_dtype", Tensor(R"("shape":[16],"data_offsets":[0,16])"),
                "tensor 'w': dtype is missing"},
        BadCase{"no_shape", Tensor(R"("dtype":"U8","data_offsets":[0,16])"),
                "tensor 'w': shape is missing"},
        BadCase{"no_offsets", Tensor(R"("dtype":"U8","shape":[16])"),
                "tensor 'w': data_offsets is missing"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Ranges, BadHeaderTest,
    ::testing::Values(
        BadCase{"unknown_dtype",
                Tensor(R"("dtype":"F7","shape":[16],"data_offsets":[0,16])"),
                "tensor 'w': unknown dtype 'F7'"},
        BadCase{"one_offset",
                Tensor(R"("dtype":"U8","shape":[16],"data_offsets":[0])"),
                "has 1 numbers"},
        BadCase{"three_offsets",
                Tensor(R"("dtype":"U8","shape":[16],"data_offsets":[0,16,16])"),
                "has 3 numbers"},
        BadCase{"reversed",
                Tensor(R"("dtype":"U8","shape":[16],"data_offsets":[16,0])"),
                "end before they begin"},
        BadCase{"beyond",
                Tensor(R"("dtype":"U8","shape":[17],"data_offsets":[0,17])"),
                "exceed the file's 16 bytes"},
        BadCase{"far_beyond",
                Tensor(R"("dtype":"U8","shape":[16],"data_offsets":)"
                       R"([18446744073709551600,18446744073709551615])"),
                "exceed the file's 16 bytes"},
        BadCase{"size",
                Tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,16])"),
                "F32 [3] takes 12 bytes, data_offsets have 16"},
        BadCase{"product_overflow",
                Tensor(R"("dtype":"U8","shape":[4294967296,4294967296],)"
                       R"("data_offsets":[0,16])"),
                "overflows 64 bits"},
        BadCase{"product_overflow_then_zero",
                Tensor(R"("dtype":"U8","shape":[4294967296,4294967296,0],)"
                       R"("data_offsets":[0,0])"),
                "overflows 64 bits"},
        BadCase{"bits_overflow",
                Tensor(R"("dtype":"F64","shape":[2305843009213693952],)"
                       R"("data_offsets":[0,16])"),
                "overflows 64 bits"},
        BadCase{"extent_2_63",
                Tensor(R"("dtype":"U8","shape":[9223372036854775808],)"
                       R"("data_offsets":[0,16])"),
                "is too large"},
        BadCase{"half_a_byte",
                Tensor(R"("dtype":"F4","shape":[31],"data_offsets":[0,16])"),
                "does not fill whole bytes"},
        BadCase{"hole_at_front",
                Tensor(R"("dtype":"U8","shape":[15],"data_offsets":[1,16])"),
                "leaves a hole"},
        BadCase{"hole_at_end",
                Tensor(R"("dtype":"U8","shape":[15],"data_offsets":[0,15])"),
                "cover 15 bytes, but the file has 16"},
        BadCase{"overlap",
                R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},)"
                R"("w":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}})",
                "tensor 'w': data_offsets [8, 16] overlaps"},
        BadCase{"rank",
                Tensor(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)"
                       R"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)"
                       R"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,16],)"
                       R"("data_offsets":[0,16])"),
                "more than 64 dimensions"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace cnn_fp4::safetensors
