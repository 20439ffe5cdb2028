# Sourced by the test scripts: runs checks, prints what a person wants to see of them, and adds up.
passed=0 failed=0 skipped=0

# check NAME COMMAND...: one check, silent unless it fails.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1 < /dev/null); then
    passed=$((passed + 1))
    echo "ok - $name"
  else
    failed=$((failed + 1))
    printf '%s\nnot ok - %s\n' "$output" "$name"
  fi
}

# A line a test file from tap's output; of a failed file also what it said, but for the assertions that passed. What stands
# outside of any file (a crash of tap itself) comes through.
digest_tap='
  /^# Subtest: / { held = ""; inside = 1; next }
  /^(not )?ok [0-9]+ - / {
    if ($1 == "not") printf "%s", held
    held = ""; inside = 0
    sub(/ok [0-9]+ -/, "ok -"); print; next
  }
  inside { if ($0 !~ /^ +(ok |1\.\.|# Subtest)/ && NF) held = held $0 "\n"; next }
  /^(TAP version|1\.\.|# |$)/ { next }
  { print }
  END { printf "%s", held }'

# tap_files NAME JOBS FILE...: runs test files, prints a line a file, what failed, and the reasons of skips.
tap_files() {
  local name=$1 jobs=$2 log
  shift 2
  [ $# -gt 0 ] || return 0
  log=$(mktemp)
  echo "# $name"
  tap --jobs="$jobs" --reporter=tap "$@" > "$log" 2>&1 < /dev/null
  local status=$?
  awk "$digest_tap" "$log"
  grep -oE '# SKIP.*' "$log" | sort | uniq -c | sed 's/# SKIP/skipped:/'
  count "$log" "$status"
  rm -f "$log"
}

# count LOG STATUS: adds tap's closing "# { total: 3, pass: 2, skip: 1 }"; a run that ends badly without one is one failure.
count() {
  local summary p f s
  summary=$(grep -E '^# \{ total: ' "$1" | tail -1)
  p=$(number pass "$summary") f=$(number fail "$summary") s=$(number skip "$summary")
  [ "$2" -eq 0 ] || [ "$f" -gt 0 ] || f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

number() { printf '%s' "${2:-}" | sed -n "s/.*[ {]$1: \([0-9]*\).*/\1/p" | grep . || echo 0; }

# finish: the closing line, and the exit status.
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
  exit
}
