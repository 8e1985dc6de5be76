#include "base/flag_parser.h"

#include <filesystem>
#include <list>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "glog/logging.h"

namespace cnn_fp4::base {
namespace {

constexpr size_t kNameColumns = 34;
constexpr size_t kHelpColumns = 46;

// Lines of at most `columns` characters, unless a word is longer.
std::string Wrap(absl::string_view text, size_t columns) {
  std::string wrapped;
  size_t column = 0;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    const bool fits = column + 1 + word.size() <= columns;
    if (column > 0) absl::StrAppend(&wrapped, fits ? " " : "\n");
    column = (column > 0 && fits ? column + 1 : 0) + word.size();
    absl::StrAppend(&wrapped, word);
  }
  return wrapped;
}

std::string HelpText(const SpecField& field, const std::string& flag) {
  const std::string value = ToText(field);
  std::string text = field.help;
  if (std::holds_alternative<bool*>(field.pointer)) {
    absl::StrAppend(&text, " Default: ", value, "; --no", flag,
                    " turns it off.");
  } else if (!value.empty()) {
    absl::StrAppend(&text, " Default: ", value, ".");
  }
  return Wrap(text, kHelpColumns);
}

std::string Placeholder(const SpecField& field) {
  constexpr const char* kPlaceholders[] = {"", "INTEGER", "NUMBER", "TEXT",
                                           "TEXT"};
  return kPlaceholders[field.pointer.index()];
}

}  // namespace

struct FlagParser::Impl {
  struct Flag {
    std::string name;
    SpecField field;
    std::vector<std::string> texts;  // Of a list: its arguments.
    std::string text;                // Of any other field.
    bool negated = false;
    CLI::Option* option = nullptr;
    CLI::Option* negation = nullptr;
  };

  explicit Impl(const std::string& description) : app(description) {}

  void Add(Flag& flag, const std::string& group) {
    const std::string help = HelpText(flag.field, flag.name);
    const std::string name = "--" + flag.name;
    if (std::holds_alternative<bool*>(flag.field.pointer)) {
      flag.option = app.add_flag(name, flag.text, help);
      flag.negation = app.add_flag("--no" + flag.name, flag.negated);
      flag.negation->group("");
    } else if (std::holds_alternative<std::vector<std::string>*>(
                   flag.field.pointer)) {
      flag.option = app.add_option(name, flag.texts, help);
    } else {
      flag.option = app.add_option(name, flag.text, help);
    }
    flag.option->group(group);
    if (flag.negation == nullptr) {
      flag.option->type_name(Placeholder(flag.field));
    }
  }

  // What came from the command line, into the fields.
  absl::Status Apply(ParsedFlags& parsed) {
    for (const Flag& flag : flags) {
      const bool negated = flag.negation != nullptr && flag.negated;
      const bool given = flag.option->count() > 0;
      if (!given && !negated) continue;
      if (given && negated) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", flag.name, " and --no", flag.name,
                         " say the opposite of each other"));
      }
      const std::string text = negated ? "false"
                               : flag.texts.empty()
                                   ? flag.text
                                   : absl::StrJoin(flag.texts, ",");
      const absl::Status status = SetFromText(flag.field, text);
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", flag.name, ": ", status.message()));
      }
      parsed.given.insert(flag.field.path);
    }
    for (const std::string& assignment : assignments) {
      const auto path = SetByPath(set_fields, assignment);
      if (!path.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--set ", path.status().message()));
      }
      if (!parsed.given.insert(*path).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("--set ", *path, ": the field is given twice"));
      }
    }
    return absl::OkStatus();
  }

  // The first argument that no flag took.
  absl::Status RefuseRest() const {
    const std::vector<std::string> rest = app.remaining();
    if (rest.empty()) return absl::OkStatus();
    absl::string_view argument = rest.front();
    if (!absl::StartsWith(argument, "-")) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", argument,
                       "'; flags look like --name=value"));
    }
    argument = argument.substr(0, argument.find('='));
    const std::string name(argument.substr(
        argument.find_first_not_of("-") == absl::string_view::npos
            ? argument.size()
            : argument.find_first_not_of("-")));
    return absl::InvalidArgumentError(
        absl::StrCat("unknown flag ", argument, hint(name)));
  }

  CLI::App app;
  std::list<Flag> flags;  // CLI11 keeps pointers to their members.
  std::vector<std::string> assignments;
  std::vector<SpecField> set_fields;
  Hint hint = [](const std::string&) { return "; --help lists all"; };
};

FlagParser::FlagParser(const std::string& description)
    : impl_(std::make_unique<Impl>(description)) {
  impl_->app.allow_extras();
  impl_->app.get_formatter()->column_width(kNameColumns);
  impl_->app.set_help_flag("--help", "Prints this text and exits.");
  impl_->app.get_help_ptr()->group("Help");
}

FlagParser::~FlagParser() = default;

void FlagParser::AddFields(absl::Span<const SpecField> fields,
                           const std::string& group,
                           const std::map<std::string, std::string>& renamed) {
  for (const SpecField& field : fields) {
    const auto other = renamed.find(field.path);
    const std::string name =
        other == renamed.end() ? field.leaf() : other->second;
    CHECK(impl_->app.get_option_no_throw("--" + name) == nullptr)
        << "two flags --" << name;
    impl_->flags.push_back({name, field, {}, "", false, nullptr, nullptr});
    impl_->Add(impl_->flags.back(), field.part.empty() ? group : field.part);
  }
}

void FlagParser::AddSet(absl::Span<const SpecField> fields) {
  impl_->set_fields.assign(fields.begin(), fields.end());
  impl_->app
      .add_option("--set", impl_->assignments,
                  Wrap("Sets a field by its path in the configuration, which "
                       "--print_config shows; may be repeated. Example: "
                       "--set train.steps=40.",
                       kHelpColumns))
      ->allow_extra_args(false)
      ->type_name("PATH=VALUE")
      ->group("Any field");
}

void FlagParser::SetHint(Hint hint) { impl_->hint = std::move(hint); }

absl::StatusOr<ParsedFlags> FlagParser::Parse(int argc,
                                              const char* const* argv) {
  // CLI11 takes them from the back.
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    const std::string argument = argv[i];
    // For "--name=" CLI11 would take the next argument as the value.
    if (absl::StartsWith(argument, "--") &&
        argument.find('=') == argument.size() - 1) {
      arguments.push_back("");
      arguments.push_back(argument.substr(0, argument.size() - 1));
    } else {
      arguments.push_back(argument);
    }
  }
  impl_->app.name(std::filesystem::path(argv[0]).filename().string());
  ParsedFlags parsed;
  try {
    impl_->app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    parsed.help = true;
    return parsed;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  absl::Status status = impl_->RefuseRest();
  if (status.ok()) status = impl_->Apply(parsed);
  if (!status.ok()) return status;
  return parsed;
}

std::string FlagParser::Help() const { return impl_->app.help(); }

std::string FlagParser::WithFlag(absl::string_view message) const {
  const absl::string_view word = message.substr(
      0, message.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"));
  for (const Impl::Flag& flag : impl_->flags) {
    if (flag.field.leaf() == word) {
      return absl::StrCat("--", flag.name, message.substr(word.size()));
    }
  }
  return std::string(message);
}

}  // namespace cnn_fp4::base
