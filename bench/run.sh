#!/bin/bash
# npm run bench: compiles lib/ and bench/ to plain JavaScript and runs every measurement, or those named: bench/run.sh plan invite.
# Those that need root, network namespaces or a compiler are left out, saying so, where these are missing. Under five minutes.
set -uo pipefail
cd "$(dirname "$0")/.."
bash test/prepare.sh || exit 3
PATH=$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin

out=$PWD/node_modules/.cache/bench
rm -rf "$out"
tsc -p bench || { echo 'bench: lib/ or bench/ does not compile'; exit 1; }
# The addon is looked for where package.json lies, C sources beside the script.
ln -sfn "$PWD/build" "$out/build"
[ -d prebuilds ] && ln -sfn "$PWD/prebuilds" "$out/prebuilds"
cp package.json "$out/"
cp bench/*.c "$out/bench/"

whatIsMissing() {
  [ "$(id -u)" -eq 0 ] || { echo 'not root'; return; }
  local command
  for command in "$@"; do type "$command" > /dev/null 2>&1 || { echo "no $command"; return; }; done
}

failed=0
measure() {
  local name=$1 why
  shift
  why=
  [ "${1:-}" = kernel ] && { shift; why=$(whatIsMissing ip nft iptables cc setsid taskset); }
  printf '\n== %s ==\n' "$name"
  if [ -n "$why" ]; then echo "left out: $why"; return; fi
  node --no-allocation-site-pretenuring --expose-gc "$out/bench/$name.js" "$@" || { failed=1; echo "$name failed"; }
}

names=${*:-scan growth plan packet memory conntrack queue music invite tcp}
for name in $names; do
  case $name in
    queue) measure queue kernel 3 200000 600 ;;
    conntrack | music | invite | tcp) measure "$name" kernel ;;
    *) [ -f "bench/$name.ts" ] && measure "$name" ;;
  esac
done
exit $failed
