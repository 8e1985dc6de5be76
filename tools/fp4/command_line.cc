#include "tools/fp4/command_line.h"

#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "quant/recipe.h"

namespace cnn_fp4::fp4 {
namespace {

constexpr size_t kNameColumns = 26;

// What the flags say before it is looked at.
struct Texts {
  std::string recipe = "nvfp4", rounding, layout, nonfinite = "refuse";
  std::string progress = "auto";
};

void AddFiles(CLI::App& command, CommandLine& line, const char* input) {
  command.add_option("--input", line.input, input)
      ->required()
      ->type_name("FILE");
  command
      .add_option("--output", line.output,
                  "The safetensors file to write; it is replaced only when it\n"
                  "is complete.")
      ->required()
      ->type_name("FILE");
}

void AddProgress(CLI::App& command, Texts& texts) {
  command
      .add_option("--progress", texts.progress,
                  "How progress is shown on stderr: auto, bar, lines, json or\n"
                  "off. Default: auto.")
      ->type_name("MODE");
}

// Of files that are read.
void AddLayout(CLI::App& command, Texts& texts) {
  command
      .add_option("--layout", texts.layout,
                  "modelopt or compressed-tensors: only for files of other\n"
                  "programs, whose recipe follows from type and number of\n"
                  "the scales.")
      ->type_name("NAME");
}

void AddGlobs(CLI::App& command, const char* name,
              std::vector<std::string>& globs, const char* help) {
  command.add_option(name, globs, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("GLOB,...");
}

void AddQuantize(CLI::App& fp4, CommandLine& line, Texts& texts) {
  CLI::App& command = *fp4.add_subcommand(
      "quantize", "Writes floating-point tensors of a safetensors file in FP4");
  AddFiles(command, line, "The safetensors file to read.");
  command
      .add_option("--recipe", texts.recipe,
                  "How; `fp4 recipes` lists the recipes. Default: nvfp4.")
      ->type_name("NAME");
  command
      .add_option("--layout", texts.layout,
                  "modelopt: X, X_scale, X_scale_2 (multiply), or\n"
                  "compressed-tensors: X_packed, X_scale, X_global_scale\n"
                  "(divide). Default: modelopt.")
      ->type_name("NAME");
  command
      .add_option("--axis", line.quantize.axis,
                  "The dimension along which blocks run, negative from the\n"
                  "end. Default: -1.")
      ->type_name("N");
  command
      .add_option("--rounding", texts.rounding,
                  "nearest, ties_away, ties_to_zero, sr8, sr or sr_unbiased.\n"
                  "Default: the recipe's.")
      ->type_name("NAME");
  command
      .add_option("--seed", line.quantize.seed,
                  "Of the stochastic roundings. Default: 0.")
      ->type_name("N");
  command
      .add_option("--nonfinite", texts.nonfinite,
                  "refuse a NaN or infinity, or saturate: NaN becomes 0, an\n"
                  "infinity the largest float, and every value written is\n"
                  "finite. Default: refuse.")
      ->type_name("POLICY");
  command.add_flag("--dequantized", line.quantize.dequantized,
                   "Also write X_dequantized, F32 in the original shape.");
  AddGlobs(command, "--include", line.quantize.include,
           "Quantise the tensors whose name matches one, and no\n"
           "others; '*' means all. Default: what is usually quantised.");
  AddGlobs(command, "--exclude", line.quantize.exclude,
           "Copy the tensors whose name matches one.");
  AddProgress(command, texts);
  command.footer(
      R"(Usually quantised are tensors of at least two dimensions whose name does not
contain 'norm' or end with 'bias'; others are copied, and the command says
which. Scalars and tensors of other types are copied always. Shape, axis, recipe
and layout go into the metadata, so that dequantize needs no flags.

Examples:
  fp4 quantize --input=model.safetensors --output=fp4.safetensors
  fp4 quantize --recipe=mxfp4 --exclude='*embed*,lm_head*' --dequantized \
      --input=model.safetensors --output=fp4.safetensors
  fp4 quantize --axis=1 --include='*conv*.weight' \
      --rounding=sr --seed=7 --input=model.safetensors --output=fp4.safetensors)");
}

void AddDequantize(CLI::App& fp4, CommandLine& line, Texts& texts) {
  CLI::App& command = *fp4.add_subcommand(
      "dequantize", "Writes a quantised safetensors file as F32 again");
  AddFiles(command, line, "A file of `fp4 quantize`, or of another program.");
  AddLayout(command, texts);
  AddProgress(command, texts);
  command.footer(
      R"(Names and shapes are the original ones; tensors that are not quantised are
copied.

Examples:
  fp4 dequantize --input=fp4.safetensors --output=back.safetensors
  fp4 dequantize --layout=modelopt --input=export.safetensors \
      --output=back.safetensors)");
}

void AddInspect(CLI::App& fp4, CommandLine& line, Texts& texts) {
  CLI::App& command = *fp4.add_subcommand(
      "inspect", "Prints tensors, scales and use of codes of a file");
  command.add_option("FILE", line.input, "A safetensors file.")->required();
  AddLayout(command, texts);
  command.footer(
      R"(Prints tensors, shapes, types and metadata, and for quantised tensors: tensor
scale, range of the stored block scales and how many are zero, how many of the
15 values of FP4 occur (+0 and -0 are one), the entropy of the values, the
shares of zeros and of +-6. Which of the +-6 are clipped shows in fp4 compare.

Example:
  fp4 inspect fp4.safetensors)");
}

void AddCompare(CLI::App& fp4, CommandLine& line, Texts& texts) {
  CLI::App& command = *fp4.add_subcommand(
      "compare", "Prints how far the tensors of B are from those of A");
  command.add_option("A", line.input, "A safetensors file.")->required();
  command.add_option("B", line.output, "Another one.")->required();
  command
      .add_option("--min_sqnr", line.limits.min_sqnr,
                  "Exit with 1 if a tensor's signal to noise ratio is lower.")
      ->type_name("DB");
  command
      .add_option("--max_error", line.limits.max_error,
                  "Exit with 1 if a tensor's largest absolute error is larger.")
      ->type_name("X");
  command
      .add_option("--min_cosine", line.limits.min_cosine,
                  "Exit with 1 if a tensor's cosine similarity is lower.")
      ->type_name("X");
  AddLayout(command, texts);
  command.footer(
      R"(Quantised tensors are compared by their values. Where B is quantised, underflow
is the share of A's non-zero values that became zero, and saturation the share
that was clipped to the largest value of its block. The cosine of zeros is nan;
equal tensors keep every limit. Exit status 1 also if a tensor is in one file
only, or has another shape.

Examples:
  fp4 compare model.safetensors fp4.safetensors --min_sqnr=18
  fp4 compare back.safetensors theirs.safetensors --max_error=0)");
}

absl::Status Check(const Texts& texts, CommandLine& line) {
  if (!texts.layout.empty()) {
    const absl::StatusOr<Layout> layout = ParseLayout(texts.layout);
    if (!layout.ok()) return layout.status();
    line.layout = *layout;
  }
  const auto mode = base::ParseProgressMode(texts.progress);
  if (!mode.ok()) return mode.status();
  line.progress = *mode;
  const absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(
      texts.rounding.empty() ? texts.recipe
                             : absl::StrCat(texts.recipe, "+", texts.rounding));
  if (!recipe.ok()) return recipe.status();
  if (texts.nonfinite != "refuse" && texts.nonfinite != "saturate") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--nonfinite is refuse or saturate, not '", texts.nonfinite, "'"));
  }
  line.quantize.recipe = *recipe;
  line.quantize.layout = line.layout.value_or(Layout::kModelOpt);
  line.quantize.saturate = texts.nonfinite == "saturate";
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc,
                                             const char* const* argv) {
  CommandLine line;
  Texts texts;
  CLI::App fp4("fp4: 4-bit floating point tensors in safetensors files", "fp4");
  fp4.require_subcommand(1);
  fp4.set_help_flag("--help", "Prints this text and exits.");
  fp4.get_formatter()->column_width(kNameColumns);
  fp4.footer(
      "`fp4 COMMAND --help` says more. Exit status: 0, 1 for files that "
      "cannot be\nread or differ, 2 for wrong arguments.");
  AddQuantize(fp4, line, texts);
  AddDequantize(fp4, line, texts);
  AddInspect(fp4, line, texts);
  AddCompare(fp4, line, texts);
  fp4.add_subcommand(
      "recipes",
      "Prints the registry of recipes: of each its arithmetic, what it\n"
      "follows, when to take it, and all of its fields");
  const auto is_named = [&](const CLI::App* command) {
    return command->get_name() == argv[1];
  };
  if (argc > 1 && argv[1][0] != '-' && fp4.get_subcommands(is_named).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no command '", argv[1], "'; fp4 --help lists them"));
  }
  try {
    fp4.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    line.help = fp4.help();
    return line;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.what(), "; --help shows how fp4 is called"));
  }
  line.command = fp4.get_subcommands().front()->get_name();
  absl::Status status = Check(texts, line);
  if (!status.ok()) return status;
  return line;
}

}  // namespace cnn_fp4::fp4
