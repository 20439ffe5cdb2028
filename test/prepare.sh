#!/bin/bash
# Makes a fresh checkout ready: Debian packages (as root), npm packages, the addon, dist/. Does only what is missing, and says what.
# Usage: test/prepare.sh [--stock-kernel]    (also what the qemu tests need)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'prepare: %s\n' "$*"; }
has() { command -v "$1" > /dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

has node || { say 'Node.js 20.19 or later is needed'; exit 3; }
node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 22 || (major == 22 && minor >= 12) || (major == 20 && minor >= 19) ? 0 : 1)' \
  || { say "Node.js $(node --version) is not one of ^20.19.0 || >=22.12.0"; exit 3; }

# command:package
wanted='ip:iproute2 nft:nftables iptables:iptables conntrack:conntrack sipp:sip-tester tcpdump:tcpdump gcc:build-essential make:build-essential python3:python3 setpriv:util-linux'
if [ "${1:-}" = --stock-kernel ]; then
  wanted="$wanted qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio xz:xz-utils zstd:zstd modprobe:kmod strip:binutils"
fi

missing=
for entry in $wanted; do
  has "${entry%%:*}" || case " $missing " in *" ${entry##*:} "*) ;; *) missing="$missing ${entry##*:}" ;; esac
done
if [ -n "$missing" ] && [ "$(id -u)" -ne 0 ]; then
  say "not root, so not installed:$missing"
elif [ -n "$missing" ]; then
  say "apt-get install$missing"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086
  { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } > "$log" 2>&1 < /dev/null \
    || { tail -20 "$log"; say "apt-get failed"; exit 3; }
  rm -f "$log"
fi

# A checkout gives the lock file a new time, whatever it says.
lock=$(sha256sum < package-lock.json)
isInstalled() {
  [ -e node_modules/.package-lock.json ] || return 1
  [ "$(cat node_modules/.installed-lock 2> /dev/null)" != "$lock" ] || return 0
  [ ! package-lock.json -nt node_modules/.package-lock.json ]
}
if ! isInstalled; then
  say 'npm ci --ignore-scripts'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error < /dev/null
  # npm keeps the lock file's own time where it can; the next run must see that this one came later.
  touch node_modules/.package-lock.json
  echo "$lock" > node_modules/.installed-lock
fi

addon=build/Release/cthelper.node
if [ ! -e "$addon" ] || [ -n "$(find native binding.gyp -newer "$addon" -print -quit)" ]; then
  say 'building the addon'
  # Node's headers, where they came with Node: otherwise node-gyp fetches them.
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  [ ! -e "$prefix/include/node/node_api.h" ] || export npm_config_nodedir=$prefix
  log=$(mktemp)
  node_modules/.bin/node-gyp rebuild > "$log" 2>&1 < /dev/null || { tail -40 "$log"; say 'the addon does not build'; exit 3; }
  rm -f "$log"
fi

if [ ! -e dist/index.js ] || [ -n "$(find lib tsconfig.json tsconfig.build.json -newer dist/index.js -print -quit)" ]; then
  say 'compiling dist/'
  # Errors are the type check's business; it comes next.
  node_modules/.bin/tsc -p tsconfig.build.json > /dev/null || say 'with type errors'
  [ ! -e dist/index.js ] || touch dist/index.js
fi
