#ifndef BASE_PROCESS_START_H_
#define BASE_PROCESS_START_H_

// What every program that trains or evaluates does first of all, so that what a
// shell, a scheduler or a lost connection did to it ends in a line of text.
//
//   int main(int argc, char** argv) {
//     base::StartProcess(argv);

namespace cnn_fp4::base {

// - Standard input, output and error that are closed become /dev/null: the next
//   file that is opened would get their number, and what is printed would land
//   in it.
// - SIGPIPE (a reader of the output that is gone) and SIGXFSZ (ulimit -f) are
//   ignored: the write that they would have killed the process for fails with
//   EPIPE or EFBIG, and the file is named.
// - An exception that nobody catches, in any thread, ends the process with
//   status 1 and one line, "error: " and the first line of what it says: memory
//   that was refused, most of all.
// - LimitOpenMpSpinning (openmp_wait.h), which starts the program anew.
void StartProcess(char** argv);

}  // namespace cnn_fp4::base

#endif  // BASE_PROCESS_START_H_
