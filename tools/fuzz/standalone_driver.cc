// Runs a libFuzzer target without libFuzzer, which needs clang: replays the
// files and directories given as arguments, then feeds mutations of them for a
// few seconds. For real fuzzing: `bazel run --config=fuzz`, see README.md.
//
// usage: TARGET [-seconds=N] [-seed=N] PATH...
//
// The input that ends the process is written to crash-input, in Bazel's
// directory for test outputs or the current one; pass it as the only PATH with
// -seconds=0 to run it again.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Defined by the sanitizers' runtimes.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(
    void (*)());

namespace {

namespace fs = std::filesystem;
using Input = std::vector<uint8_t>;

constexpr size_t kMaxInput = 1 << 16;

const Input* current_input = nullptr;
std::string crash_path;

void SaveInput() {
  if (current_input == nullptr) return;
  const int fd = open(crash_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  const ssize_t done = write(fd, current_input->data(), current_input->size());
  static_cast<void>(done);
  close(fd);
  std::fprintf(stderr, "the input is in %s\n", crash_path.c_str());
}

void OnSignal(int signal) {
  SaveInput();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void InstallHandlers() {
  const char* directory = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  crash_path =
      std::string(directory != nullptr ? directory : ".") + "/crash-input";
  for (const int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) {
    std::signal(signal, OnSignal);
  }
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(SaveInput);
  }
}

void Run(const Input& input) {
  // Exact size on the heap: reading beyond it is an error that ASan sees.
  const Input copy(input);
  current_input = &copy;
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
  current_input = nullptr;
}

class Mutator {
 public:
  Mutator(std::vector<Input> corpus, uint64_t seed)
      : corpus_(std::move(corpus)), random_(seed) {}

  Input Next() {
    Input input = Pick();
    const int count = 1 + static_cast<int>(Below(4));
    for (int i = 0; i < count; ++i) Mutate(input);
    if (input.size() > kMaxInput) input.resize(kMaxInput);
    return input;
  }

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : random_() % n; }
  const Input& Pick() { return corpus_[Below(corpus_.size())]; }

  void Mutate(Input& input) {
    const size_t at = Below(input.size());
    switch (Below(7)) {
      case 0:
        if (!input.empty()) input[at] ^= 1 << Below(8);
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        input.erase(input.begin() + at,
                    input.begin() + at + Below(input.size() - at + 1));
        break;
      case 3: {  // A piece of the input, or of another one, once more.
        const Input other = Below(2) == 0 ? input : Pick();
        const size_t begin = Below(other.size());
        const size_t length = Below(std::min<size_t>(other.size() - begin, 64));
        input.insert(input.begin() + at, other.begin() + begin,
                     other.begin() + begin + length);
        break;
      }
      case 4:
        InsertText(input, at);
        break;
      case 5: {  // A number in place of a digit.
        const auto digit =
            std::find_if(input.begin() + at, input.end(),
                         [](uint8_t c) { return c >= '0' && c <= '9'; });
        if (digit != input.end()) {
          *digit = static_cast<uint8_t>('0' + Below(10));
        }
        break;
      }
      default:
        if (input.size() >= 8) {
          const uint64_t value = ~uint64_t{0} >> Below(64);
          std::memcpy(&input[Below(input.size() - 7)], &value, 8);
        }
        break;
    }
  }

  void InsertText(Input& input, size_t at) {
    static const char* const kTexts[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         "-",
                                         "0",
                                         "9223372036854775807",
                                         "18446744073709551615",
                                         "1e400",
                                         "null",
                                         "true",
                                         "\\u0000",
                                         "\\ud800",
                                         "\xFF",
                                         "\"shape\":[",
                                         "\"dtype\":\"F32\"",
                                         "\"data_offsets\":[0,0]",
                                         "__metadata__",
                                         "cnn_fp4",
                                         "mxfp4",
                                         "+block=0",
                                         "+block=4611686018427387905",
                                         "+rht",
                                         "nvfp4_2d",
                                         "fp4_per_tensor",
                                         "nvfp4_rowscaled"};
    const char* text = kTexts[Below(std::size(kTexts))];
    input.insert(input.begin() + at, text, text + std::strlen(text));
  }

  std::vector<Input> corpus_;
  std::mt19937_64 random_;
};

Input ReadInput(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 2.0;
  uint64_t seed = 1;
  std::vector<Input> corpus;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("-seconds=", 0) == 0) {
      seconds = std::stod(argument.substr(9));
    } else if (argument.rfind("-seed=", 0) == 0) {
      seed = std::stoull(argument.substr(6));
    } else if (fs::is_directory(argument)) {
      for (const auto& entry : fs::directory_iterator(argument)) {
        corpus.push_back(ReadInput(entry.path()));
      }
    } else {
      corpus.push_back(ReadInput(argument));
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no seed corpus given\n");
    return 2;
  }
  InstallHandlers();
  Run({});
  for (const Input& input : corpus) Run(input);
  const size_t replayed = corpus.size();
  Mutator mutator(std::move(corpus), seed);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int64_t runs = 0;
  while (std::chrono::steady_clock::now() < end) {
    Run(mutator.Next());
    ++runs;
  }
  std::printf("%zu seeds and %lld mutations, seed %llu\n", replayed,
              static_cast<long long>(runs),
              static_cast<unsigned long long>(seed));
  return 0;
}
