#!/bin/bash
# Kernel tests under a stock Debian kernel, in qemu: test/stock-kernel/run.sh [KERNEL] [TEST...]
#   KERNEL  a package (linux-image-6.1.0-54-cloud-amd64), or a version to find the newest cloud package of: 6.12 (default), 6.1
#   TEST    names of test/kernel/NAME.test.ts, or all; default those listed in test/stock-kernel/tests
# Environment: ACCEL (qemu -accel, default tcg: kvm may be there and not work), FILE_TIMEOUT (seconds a test file, default 420),
# CTHELPER_TIME_SCALE (default 1 with kvm, 10 with tcg), GUEST_TIMEOUT (seconds in all, default 3600; with all 5400), GUESTS (at a time,
# each with its share of the tests; default one a processor, four at most).
# Prints the guests' TAP, one guest's after the other's; last line: N passed, N failed, N skipped.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
. test/tally.sh
. "$here/layers.sh"

give_up() {
  echo "stock-kernel: $*" >&2
  failed=1
  finish
}

kernel=6.12
case "${1:-}" in
  6.* | linux-image-*) kernel=$1 && shift ;;
esac
[ $# -gt 0 ] || mapfile -t default_tests < <(grep -v '^#' "$here/tests")
[ $# -gt 0 ] || set -- "${default_tests[@]}"
bash test/prepare.sh --stock-kernel || give_up 'prepare failed'
# Not before: an install takes all of node_modules away.
mkdir -p "$cache"
PATH=$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin
package=$(kernel_package "$kernel") && [ -n "$package" ] || give_up "no package for kernel $kernel"

work=$(mktemp -d)
# Guests in the background do not hear the terminal.
trap 'cat "$work"/*.pid 2> /dev/null | xargs -r kill; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
kernel_files=$(kernel_layer "$package") || give_up "cannot unpack $package"
userland=$(userland_layer) || give_up 'cannot collect the userland'
modules=$(node_modules_layer) || give_up 'cannot pack node_modules'
app_layer "$work" "$@" || give_up 'cannot compile the tests'
# The kernel unpacks concatenated archives one over the other.
cat "$userland" "$kernel_files.cpio" "$modules" "$work/app.cpio" > "$work/initrd"

[ "$1" = all ] && in_all=5400 || in_all=3600
accel=${ACCEL:-tcg}
[ "$accel" = tcg ] && scale=10 || scale=1
append="console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off random.trust_cpu=on"
append="$append time_scale=${CTHELPER_TIME_SCALE:-$scale} file_timeout=${FILE_TIMEOUT:-420}"
guests=${GUESTS:-$(nproc)}
[ "$guests" -le 4 ] || guests=4
[ "$1" = all ] || [ "$guests" -le $# ] || guests=$#
echo "# $package under qemu ($accel, time scale ${CTHELPER_TIME_SCALE:-$scale}), $guests at a time"

# guest N: its TAP on standard output, and in $work/N.log with its tally.
guest() {
  # -smp 1: with two, one boot in ten dies in the guest's text patching. The guest's second serial line is what we print.
  timeout -k 5 "${GUEST_TIMEOUT:-$in_all}" qemu-system-x86_64 -accel "$accel" -cpu max -m 1536 -smp 1 -nodefaults -no-user-config \
    -display none -no-reboot -kernel "$kernel_files.vmlinuz" -initrd "$work/initrd" -append "$append share=$1/$guests" -pidfile "$work/$1.pid" \
    -serial "file:$work/$1.console" -serial stdio < /dev/null 2> "$work/$1.qemu" | tr -d '\r' | tee "$work/$1.log" | grep --line-buffered -v '^@@'
}

for ((n = 2; n <= guests; n++)); do guest "$n" > /dev/null & done
guest 1
wait
for ((n = 1; n <= guests; n++)); do
  [ "$n" -eq 1 ] || grep -v '^@@' "$work/$n.log"
  if tally=$(grep '^@@TALLY ' "$work/$n.log"); then
    read -r _ p f s <<< "$tally"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  else
    cat "$work/$n.qemu"
    tail -30 "$work/$n.console"
    echo "stock-kernel: guest $n did not finish" >&2
    failed=$((failed + 1))
  fi
done
finish
