#ifndef TRAIN_STOP_SIGNAL_H_
#define TRAIN_STOP_SIGNAL_H_

// SIGINT and SIGTERM as a request: the loop finishes its step, writes a
// checkpoint and its summary, and the process exits with 128 + signal. A second
// signal ends the process at once.

namespace cnn_fp4::train {

// Installs the handlers; the process keeps them.
void InstallStopSignalHandlers();

// The signal that was received, or 0.
int StopSignal();

}  // namespace cnn_fp4::train

#endif  // TRAIN_STOP_SIGNAL_H_
