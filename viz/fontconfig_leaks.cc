// Linked into the tests that draw text. fontconfig keeps a constant 1 kB until
// the process ends, which the leak check of --config=asan would report.

// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfontconfig.so";
}
// NOLINTEND(bugprone-reserved-identifier)
