// The command itself: exit status, standard output and standard error.

#include <sys/wait.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

class Fp4Test : public ::testing::Test {
 protected:
  // `arguments` are for the shell.
  Outcome Run(const std::string& arguments) {
    const std::string command =
        absl::StrCat("tools/fp4/fp4 ", arguments, " >", directory_.Path("out"),
                     " 2>", directory_.Path("err"));
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status)) << command;
    return {WEXITSTATUS(status), ReadText(directory_.Path("out")),
            ReadText(directory_.Path("err"))};
  }

  void ExpectError(int status, const std::string& arguments,
                   const std::string& message) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.status, status) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(outcome.err.find('\n') + 1, outcome.err.size())
        << "not one line: " << outcome.err;
  }

  std::string Source() {
    return directory_.Write(
        "in", {FloatTensor("w", {4, 33}, TestValues(132, 1)),
               {"ids", safetensors::DType::kI32, {1}, {1, 2, 3, 4}}});
  }

  TestDirectory directory_;
};

TEST_F(Fp4Test, HelpIsWholeAndOfOneCommand) {
  const Outcome general = Run("--help");
  EXPECT_EQ(general.status, 0);
  const std::pair<const char*, const char*> kFlags[] = {
      {"quantize", "--min_sqnr"},
      {"dequantize", "--axis"},
      {"inspect", "--input"},
      {"compare", "--recipe"},
      {"recipes", "--layout"}};
  for (const auto& [command, no_flag_of_it] : kFlags) {
    EXPECT_THAT(general.out, HasSubstr(absl::StrCat("  ", command, " ")));
    const Outcome help = Run(absl::StrCat(command, " --help"));
    EXPECT_EQ(help.status, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_THAT(help.out, HasSubstr(absl::StrCat("fp4 ", command)));
    EXPECT_EQ(help.out.find(no_flag_of_it), std::string::npos) << help.out;
  }
  for (const char* flag :
       {"--recipe NAME", "--axis N", "--include GLOB,...", "--input FILE"}) {
    EXPECT_THAT(Run("quantize --help").out, HasSubstr(flag));
  }
}

TEST_F(Fp4Test, BadArgumentsExitWith2) {
  const std::string files = absl::StrCat(
      " --input=", Source(), " --output=", directory_.Path("output"));
  ExpectError(2, "", "--help shows how fp4 is called");
  ExpectError(2, "bogus", "no command 'bogus'");
  ExpectError(2, "quantize --bogus=1" + files, "bogus");
  ExpectError(2, "quantize --axis=x" + files, "axis");
  ExpectError(2, "quantize --recipe=bogus" + files, "unknown recipe 'bogus'");
  ExpectError(2, "quantize --rounding=bogus" + files, "bogus");
  ExpectError(2, "quantize --layout=bogus" + files, "unknown layout 'bogus'");
  ExpectError(2, "quantize --nonfinite=bogus" + files, "--nonfinite");
  ExpectError(2, "quantize --progress=bogus" + files, "bogus");
  ExpectError(2, "quantize --output=x", "--input is required");
  ExpectError(2, "quantize --input=x", "--output is required");
  ExpectError(2, "quantize --axis=1 --axis=1" + files, "--axis");
  ExpectError(2, "quantize stray" + files, "not expected: stray");
  ExpectError(2, "inspect", "FILE is required");
  ExpectError(2, "inspect a --axis=-1", "not expected: --axis=-1");
  ExpectError(2, "inspect a b", "not expected: b");
  ExpectError(2, "compare a", "B is required");
}

TEST_F(Fp4Test, BadFilesExitWith1) {
  const std::string output = " --output=" + directory_.Path("output");
  const std::string missing = directory_.Path("missing");
  const std::string bad = directory_.WriteText("bad", "not a tensor in sight");
  for (const std::string command : {"quantize", "dequantize"}) {
    ExpectError(1, command + " --input=" + missing + output, "missing");
    ExpectError(1, command + " --input=" + bad + output, "header length");
    ExpectError(1, command + " --input=" + Source() + " --output=/no/such/file",
                command == "quantize" ? "/no/such/file" : "--layout");
  }
  ExpectError(1, "inspect " + missing, "cannot open");
  ExpectError(1, "inspect " + bad, "header length");
  ExpectError(1, "compare " + bad + " " + bad, "header length");
  ExpectError(1, "quantize --axis=2 --input=" + Source() + output,
              "tensor 'w': axis 2 is out of range");
}

TEST_F(Fp4Test, AWholeSession) {
  const std::string in = Source();
  const std::string packed = directory_.Path("packed");
  const std::string back = directory_.Path("back");
  Outcome outcome = Run(absl::StrCat("quantize --recipe=nvfp4 --rounding=sr ",
                                     "--seed=3 --dequantized --input=", in,
                                     " --output=", packed));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out + outcome.err, "");
  const std::string first = ReadText(packed);

  outcome = Run("inspect " + packed);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("w_scale_2"));
  EXPECT_THAT(outcome.out, HasSubstr("nvfp4+sr"));
  EXPECT_THAT(outcome.out, HasSubstr("  14/15  "));

  outcome = Run("dequantize --input=" + packed + " --output=" + back);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  outcome = Run("compare " + packed + " " + back + " --max_error=0");
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("equal"));
  outcome = Run("compare " + in + " " + back + " --min_sqnr=10");
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  outcome = Run("compare " + in + " " + back + " --min_sqnr=40");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("over the limit"));
  EXPECT_THAT(outcome.err, HasSubstr("1 of 2 tensors"));

  // Same seed, same file; another seed, another.
  const auto again = [&](int seed) {
    Run(absl::StrCat("quantize --recipe=nvfp4 --rounding=sr --dequantized ",
                     "--seed=", seed, " --input=", in, " --output=", packed));
    return ReadText(packed);
  };
  EXPECT_EQ(again(3), first);
  EXPECT_NE(again(4), first);
}

TEST_F(Fp4Test, SaysWhatItCopies) {
  std::vector<TestTensor> tensors = {
      FloatTensor("w", {4, 33}, TestValues(132, 1))};
  for (int i = 0; i < 10; ++i) {
    tensors.push_back(FloatTensor(absl::StrCat("b", i), {4}, TestValues(4, 1)));
  }
  const std::string files =
      absl::StrCat(" --input=", directory_.Write("many", tensors),
                   " --output=", directory_.Path("output"));
  Outcome outcome = Run("quantize" + files);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "1 tensors quantised; 10 copied that usually are not (fewer than 2 "
            "dimensions, norm or bias; --include=GLOB takes them): b0, b1, b2, "
            "b3, b4, b5, b6, b7 and 2 more\n");
  // Without --recipe it is nvfp4, as the help says.
  EXPECT_THAT(Run("quantize --help").out, HasSubstr("Default: nvfp4."));
  EXPECT_THAT(Run("inspect " + directory_.Path("output")).out,
              HasSubstr("  nvfp4  "));
  outcome = Run("quantize --include='*'" + files);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

// A tile as wide as the tensor, in a recipe and in a file's record.
TEST_F(Fp4Test, BlocksWithoutAnExtentAreTheWholeAxis) {
  const std::string packed = directory_.Path("packed");
  for (const std::string recipe :
       {"nvfp4_2d+block=0", "nvfp4+block=4611686018427387904"}) {
    for (const std::string axis : {"-1", "0"}) {
      if (recipe[5] == '_' && axis == "0") continue;
      const Outcome outcome =
          Run(absl::StrCat("quantize --recipe=", recipe, " --axis=", axis,
                           " --input=", Source(), " --output=", packed));
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_EQ(Run("inspect " + packed).status, 0);
      EXPECT_EQ(Run("dequantize --input=" + packed +
                    " --output=" + directory_.Path("back"))
                    .status,
                0);
    }
  }
}

TEST_F(Fp4Test, RecipesPrintsTheRegistry) {
  const Outcome outcome = Run("recipes");
  EXPECT_EQ(outcome.status, 0);
  for (const char* name : {"nvfp4\n", "mxfp4_even\n", "anchor", "block=N"}) {
    EXPECT_THAT(outcome.out, HasSubstr(name));
  }
}

TEST_F(Fp4Test, AFullOutputIsAnError) {
  const int status =
      std::system("tools/fp4/fp4 recipes >/dev/full 2>/dev/null");
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace cnn_fp4::fp4
