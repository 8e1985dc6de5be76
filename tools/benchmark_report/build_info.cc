// Compiled like everything else, with -frecord-gcc-switches: its object says
// with which compiler and flags the benchmarks were made.

int main() { return 0; }
