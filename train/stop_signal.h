#ifndef TRAIN_STOP_SIGNAL_H_
#define TRAIN_STOP_SIGNAL_H_

// SIGINT, SIGTERM and SIGHUP (the terminal or the connection is gone) as a
// request: the loop finishes its step, writes a checkpoint and its summary, and
// the process exits with 128 + signal. The same signal once more ends the
// process at once; files that have a name are whole then, too.

namespace cnn_fp4::train {

// Installs the handlers; the process keeps them. SIGHUP stays ignored where it
// was, as under nohup.
void InstallStopSignalHandlers();

// The signal that was received, or 0.
int StopSignal();

}  // namespace cnn_fp4::train

#endif  // TRAIN_STOP_SIGNAL_H_
