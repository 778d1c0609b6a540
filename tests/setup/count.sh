# shellcheck shell=bash disable=SC2154
# Runs suites and counts: what passed, failed and was skipped, and why. Sourced by tests/run.

total_passed=0 total_failed=0 total_skipped=0
table=() failures=() skips=()

# run_suite NAME
run_suite() {
  suite=$1 passed=0 failed=0 skipped=0
  local started=$SECONDS
  printf '\n━━ %s: %s\n' "$suite" "${about[$suite]}"
  "suite_$suite"
  if ((passed + failed + skipped == 0)); then fail "it ran no test"; fi
  local row
  printf -v row '%-11s %7d %7d %8d %5d:%02d' "$suite" "$passed" "$failed" "$skipped" \
    $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
  table+=("$row")
  ((total_passed += passed, total_failed += failed, total_skipped += skipped))
}

# Prints the table and ends: 1 if something failed, or was skipped where that is not allowed.
print_totals() {
  printf '\n%-11s %7s %7s %8s %8s\n' suite passed failed skipped time
  printf '%s\n' "${table[@]}"
  local line
  for line in "${skips[@]}"; do printf '\nSKIPPED %s\n' "$line"; done
  for line in "${failures[@]}"; do printf '\nFAILED %s\n' "$line"; done
  local code=$((total_failed > 0))
  if [[ ${CI-} == true ]] && ((total_skipped > 0)); then
    printf '\nCI=true: what was skipped counts as failed.\n'
    code=1
  fi
  printf '\n%d passed, %d failed, %d skipped\n' "$total_passed" "$total_failed" "$total_skipped"
  exit "$code"
}

# One test that failed. Fails itself, so that a suite can end with `|| return`.
fail() {
  printf 'FAILED %s: %s\n' "$suite" "$1"
  failures+=("$suite: $1")
  ((failed += 1))
  return 1
}

# One test that cannot run here. Fails itself, too.
skip() {
  printf 'SKIPPED %s: %s\n' "$suite" "$1"
  skips+=("$suite: $1")
  ((skipped += 1))
  return 1
}

# check COMMAND…: one test, which passes if the command does.
check() {
  printf '$ %s\n' "$*"
  if "$@"; then ((passed += 1)); else fail "$*"; fi
}

# run_nextest FLAG…: counts what nextest reports, and tests that say `#[ignore]` as skipped.
run_nextest() {
  local report=tests/output/nextest/default/junit.xml code name
  rm -f "$report"
  printf '$ cargo nextest run %s\n' "${cargo_flags[*]} $*"
  cargo nextest run "${cargo_flags[@]}" "$@"
  code=$?
  if [[ -f $report ]]; then
    while read -r name; do fail "$name"; done < <(failed_in "$report")
    ((passed += $(count_in "$report" tests) - failed))
  fi
  # 4 means that it found no test, which `run_suite` says of every suite.
  if ((code && code != 4 && !failed)); then
    fail "nextest ended with code $code: its lines above say why"
    return
  fi
  while read -r name; do skip "$name is ignored in its source"; done < <(
    cargo nextest list "${cargo_flags[@]}" "$@" --run-ignored only --message-format oneline 2>/dev/null
  )
}

count_in() {
  sed -n "s/^<testsuites .* $2=\"\([0-9]*\)\".*/\1/p" "$1"
}

failed_in() {
  awk '
    /<testcase / {
      match($0, / name="[^"]*"/); name = substr($0, RSTART + 7, RLENGTH - 8)
      match($0, / classname="[^"]*"/); binary = substr($0, RSTART + 12, RLENGTH - 13)
      told = 0
    }
    /<(failure|error)[ >]/ && !told { print binary " " name; told = 1 }
  ' "$1"
}

# Counts what rustdoc's tests print.
run_doctests() {
  local log=tests/output/doctests.log code name
  printf '$ cargo test --doc %s\n' "${cargo_flags[*]}"
  CARGO_TERM_COLOR=never cargo test --doc --no-fail-fast "${cargo_flags[@]}" 2>&1 | tee "$log"
  code=$?
  while read -r name; do fail "$name"; done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
  while read -r name; do skip "$name"; done < <(sed -n 's/^test \(.*\) \.\.\. ignored.*/\1 is ignored in its source/p' "$log")
  ((passed += $(awk '/^test result: / { passed += $4 } END { print passed + 0 }' "$log")))
  if ((code && !failed)); then fail "cargo test --doc ended with code $code: its lines above say why"; fi
}
