# Sourced by the tests that kill what they run. They define run(), which starts
# one program and sends its output to ${work}/log, and set `duration`, how many
# milliseconds it takes when nothing interrupts it.

fail() {
  echo "FAILED: $*"
  tail -n 20 "${work}/log"
  exit 1
}

# run "$@", killed `delay` milliseconds later: a random share of `duration`.
run_and_kill() {
  delay=$((RANDOM * duration / 32768))
  run "$@" &
  local pid=$!
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  # The function runs in a shell of its own; the program is its child.
  pkill -KILL -P "${pid}"
  wait "${pid}" 2>/dev/null
}
