#include "experiments/study_program.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/user_path.h"
#include "experiments/flag_use.h"
#include "experiments/init_weights.h"
#include "experiments/policy_list.h"
#include "experiments/program.h"
#include "experiments/run_options.h"
#include "experiments/study_runner.h"
#include "glog/logging.h"
#include "train/stop_signal.h"

namespace cnn_fp4::experiments {
namespace {

struct SeedsAndConditions {
  std::vector<std::string> seeds = {"5"};
  std::vector<std::string> conditions;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit(
        "seeds", self.seeds,
        "The seeds; every arm is trained once with each. A number alone is how "
        "many: 5 means the seeds 1 to 5. A list names them, as in 3,5,8, and "
        "so does a range: 6..10, or 7..7 for the seed 7 alone.");
    visit(
        "conditions", self.conditions,
        "Fields with other values under which all arms are trained and "
        "compared, each time as a table of its own: data sets, widths. Each is "
        "NAME:PATH=VALUE[;PATH=VALUE]..., where PATH is as in --set, or "
        "data_root; between two stands a comma. Example: "
        "--conditions='s025:net.model_scale_factor=0.25,"
        "s050:net.model_scale_factor=0.5'.");
  }
};

struct Where {
  std::string output_dir;
  std::vector<std::string> done;
  bool report_only = false;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("output_dir", self.output_dir,
          "The study is written to this directory: study.html, study.md and "
          "study.json, and the runs of its cells below cells. What is done "
          "there is not trained again, so the same command continues a study "
          "that was stopped or killed. Without it, it is runs/NAME in the "
          "workspace.");
    visit("done", self.done,
          "Directories with results of earlier runs. A cell whose finished "
          "arm.json lies anywhere below one of them is not trained again.");
    visit("report_only", self.report_only,
          "Trains nothing and writes the report of the cells that are done.");
  }
};

// What is done instead of a study.
struct Actions {
  bool list_policies = false;
  bool print_config = false;
  bool smoke = false;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("list_policies", self.list_policies,
          "Prints the policies that arms can name and exits.");
    visit("print_config", self.print_config,
          "Prints the configuration as JSON and exits.");
    visit("smoke", self.smoke,
          "Runs two arms with two seeds in miniature on synthetic images in a "
          "temporary directory, checks what they write, and removes it.");
  }
};

std::vector<base::SpecField> Without(std::vector<base::SpecField> fields,
                                     const std::vector<std::string>& paths) {
  std::vector<base::SpecField> left;
  for (base::SpecField& field : fields) {
    if (!absl::c_linear_search(paths, field.path)) {
      left.push_back(std::move(field));
    }
  }
  return left;
}

// For the flags that //experiments:train has and a study has not.
std::string Hint(const std::string& flag, const StudyProgram& program) {
  if (flag == "resume") {
    return "; the same command as before continues a study";
  }
  if (!program.free) {
    return absl::StrCat("; --help lists all; the arms, seeds and fields of ",
                        program.name,
                        " are pinned, and bazel run //experiments:study "
                        "chooses others");
  }
  if (flag == "models") return "; a study has --arms";
  if (flag == "seed") return "; a study has --seeds";
  return "; --help lists all";
}

class Main {
 public:
  explicit Main(const StudyProgram& program)
      : program_(program), study_(program.study), parser_(program.description) {
    parser_.SetHint(
        [this](const std::string& flag) { return Hint(flag, program_); });
    parser_.AddFields(base::Fields(actions_), "Instead of a study");
    if (program.free) parser_.AddFields(base::Fields(axes_), "The study");
    parser_.AddFields(base::Fields(where_), "The study");
    parser_.AddFields(
        Without(base::Fields(options_.run), {"output_dir", "resume"}),
        "The runs");
    if (!program.free) return;
    const std::vector<base::SpecField> fields =
        Without(base::Fields(study_.experiment), {"train.seed"});
    parser_.AddFields(fields, "The study");
    parser_.AddSet(fields);
  }

  int Run(int argc, char** argv) {
    const absl::StatusOr<base::ParsedFlags> parsed = parser_.Parse(argc, argv);
    if (!parsed.ok()) return Refuse(parsed.status(), kExitUsage);
    if (parsed->help) {
      std::printf("%s", parser_.Help().c_str());
      return 0;
    }
    if (actions_.list_policies) {
      std::printf("%s", ListPolicies().c_str());
      return 0;
    }
    LetEpochsDecide(*parsed, study_.experiment.train);
    if (program_.free) {
      absl::StatusOr<std::vector<int64_t>> seeds = ParseSeeds(axes_.seeds);
      if (!seeds.ok()) return Refuse(seeds.status(), kExitUsage);
      study_.seeds = *std::move(seeds);
      absl::StatusOr<std::vector<Condition>> conditions =
          ParseConditions(axes_.conditions);
      if (!conditions.ok()) return Refuse(conditions.status(), kExitUsage);
      study_.conditions = *std::move(conditions);
      for (Condition& condition : study_.conditions) {
        condition.data_root = base::UserPath(condition.data_root);
      }
    }
    options_.run.init = base::UserPath(options_.run.init);
    train::TrainSpec& train = study_.experiment.train;
    absl::Status status = program_.free
                              ? SetInitChecksum(options_.run.init, train)
                              : CheckInit(options_.run.init, train);
    if (!status.ok()) return Refuse(status, ExitStatusFor(status));
    status = Check(study_);
    status.Update(Check(options_.run));
    if (status.ok()) {
      status = CheckFlagsApply(parsed->given, study_, options_.run);
    }
    if (actions_.smoke) status.Update(CheckFlagsOfSmoke(parsed->given));
    if (!status.ok()) return Refuse(status, kExitUsage);
    if (actions_.print_config) {
      std::printf("%s\n", ToJson(study_).c_str());
      return 0;
    }
    return Train();
  }

 private:
  int Refuse(const absl::Status& status, int exit_status) const {
    std::fprintf(stderr, "error: %s\n",
                 parser_.WithFlag(status.message()).c_str());
    return exit_status;
  }

  int Train() {
    FLAGS_logtostderr = true;
    google::InitGoogleLogging(program_.name.c_str());
    train::InstallStopSignalHandlers();
    if (actions_.smoke) {
      const absl::Status status = RunStudySmokeTest(program_.name, study_);
      return status.ok() ? 0 : Refuse(status, kExitFailure);
    }
    options_.directory = where_.output_dir.empty()
                             ? DefaultOutputDir() + "/" + program_.name
                             : base::UserPath(where_.output_dir);
    options_.report_only = where_.report_only;
    for (const std::string& directory : where_.done) {
      options_.done.push_back(base::UserPath(directory));
    }
    options_.run.read.data_root = base::UserPath(options_.run.read.data_root);
    const absl::StatusOr<int> exit_status =
        RunStudy(program_.name, study_, options_);
    if (!exit_status.ok()) return Refuse(exit_status.status(), kExitFailure);
    return *exit_status;
  }

  const StudyProgram& program_;
  StudySpec study_;
  SeedsAndConditions axes_;
  Where where_;
  Actions actions_;
  StudyOptions options_;
  base::FlagParser parser_;
};

}  // namespace

int RunStudyProgram(const StudyProgram& program, int argc, char** argv) {
  return Main(program).Run(argc, argv);
}

}  // namespace cnn_fp4::experiments
