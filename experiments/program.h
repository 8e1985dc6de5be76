#ifndef EXPERIMENTS_PROGRAM_H_
#define EXPERIMENTS_PROGRAM_H_

// What the programs of all experiments have in common: the flags of RunOptions,
// --smoke and --print_config, exit statuses, and errors of one line.
//
//   Program program("Trains ...");
//   program.parser().AddFields(...);          // Flags of one's own.
//   const auto parsed = program.ParseFlags(argc, argv);
//   if (!parsed.ok()) return program.Refuse(parsed.status());
//   if (parsed->help) return 0;
//   return program.Run("my_experiment", spec);

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/flag_parser.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_options.h"

namespace cnn_fp4::experiments {

// Names of the flags of //experiments:train that differ from the last word of
// the field's path: the seed project's command line lives on.
const std::map<std::string, std::string>& RenamedFlags();

// Who asks for epochs does not mean the default number of steps.
void LetEpochsDecide(const base::ParsedFlags& parsed, train::TrainSpec& train);

// Exit statuses.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// A call of a program that takes the parser's flags alone.
struct Call {
  // Set where the program ends here: --help, which is printed, or a refusal.
  std::optional<int> exit_status;
  std::set<std::string> given;  // Paths of the fields that were given.
};
Call ParseCall(base::FlagParser& parser, int argc, char** argv);

// Prints "error: " and the message, with flags where it names fields. Returns
// exit_status.
int RefuseCall(const base::FlagParser& parser, const absl::Status& status,
               int exit_status);

// kExitUsage for InvalidArgument.
int ExitStatusFor(const absl::Status& status);

class Program {
 public:
  // `description` begins --help.
  explicit Program(const std::string& description);

  base::FlagParser& parser() { return parser_; }

  // What the flags said, once they are parsed.
  const RunOptions& options() const { return options_; }

  // Prints --help where it is asked for.
  absl::StatusOr<base::ParsedFlags> ParseFlags(int argc, char** argv);

  // Runs what the flags ask for and returns the process's exit status. `spec`
  // is checked here.
  int Run(const std::string& name, const ExperimentSpec& spec);

  // Prints "error: <message>" on stderr, with the name of the flag where a
  // field's is meant, and returns `exit_status`.
  int Refuse(const absl::Status& status, int exit_status = kExitUsage) const;

 private:
  // What is done instead of a run.
  struct Actions {
    bool print_config = false;
    bool smoke = false;

    template <typename Self, typename Visitor>
    static void VisitFields(Self& self, Visitor&& visit) {
      visit("print_config", self.print_config,
            "Prints the configuration as JSON and exits.");
      visit("smoke", self.smoke,
            "Runs the arms in miniature on synthetic images in a temporary "
            "directory, checks what they write, and removes it.");
    }
  };

  base::FlagParser parser_;
  RunOptions options_;
  Actions actions_;
  std::set<std::string> given_;  // As in ParsedFlags.
};

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_PROGRAM_H_
