#ifndef BASE_OPENMP_WAIT_H_
#define BASE_OPENMP_WAIT_H_

// How OpenMP's threads wait for each other.
//
// Threads that have done their share of an operation spin until the others have
// done theirs. On a machine that is shared the thread that they wait for may
// have no core, and libgomp's default spins for billions of rounds before it
// sleeps: a training step took four times as long beside one busy process.
//
//   int main(int argc, char** argv) {
//     base::LimitOpenMpSpinning(argv);  // First of all.
//
// What a limit costs on an idle machine and saves on a busy one
// //tools:spin_count measures. On 2 cores of an Intel Xeon at 2.8 GHz 10,000
// rounds left the idle step as it was within its noise, and one beside a busy
// process took 2.7 times as long instead of 3 to 4 times; 2,000 rounds 1.9
// times, at 7 % of the idle step.

namespace cnn_fp4::base {

// Rounds that a thread spins before it sleeps.
inline constexpr char kOpenMpSpinCount[] = "10000";

// Sets GOMP_SPINCOUNT, which libgomp reads before main, and starts the program
// anew with the same arguments, under the same process id: that costs as long
// as it takes to load it. Does nothing where the environment has any variable
// that begins with OMP_ or GOMP_: who sets one decides. Where the program
// cannot be started anew it goes on as it is.
void LimitOpenMpSpinning(char** argv);

}  // namespace cnn_fp4::base

#endif  // BASE_OPENMP_WAIT_H_
