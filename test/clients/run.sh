#!/bin/bash
# npm run test:clients: real phones, a real proxy, and real media servers through the gateway. Installs what is missing (as root) and says so; what
# cannot be installed is skipped by name. Last line: N passed, N failed, N skipped.
# Usage: test/clients/run.sh [FILE...]
set -uo pipefail
cd "$(dirname "$0")/../.."

. test/tally.sh
bash test/prepare.sh || { echo 'prepare failed'; passed=0 failed=1 skipped=0; finish; }
PATH=$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin

# command:package
missing=
for entry in baresip:baresip-core linphonec:linphone-cli kamailio:kamailio turnserver:coturn ffmpeg:ffmpeg; do
  command -v "${entry%%:*}" > /dev/null || missing="$missing ${entry##*:}"
done
# Those without a command of their own.
for package in gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gir1.2-gst-rtsp-server-1.0 python3-gi; do
  dpkg -s "$package" > /dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ] && [ "$(id -u)" -ne 0 ]; then
  echo "clients: not root, so not installed:$missing"
elif [ -n "$missing" ]; then
  echo "clients: apt-get install$missing"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # RUNLEVEL=1: a proxy that is installed is not to be started. One after the other: one that is not to be had spares the rest.
  for package in $missing; do
    { apt-get -q update && RUNLEVEL=1 apt-get -q install -y --no-install-recommends "$package"; } > "$log" 2>&1 < /dev/null \
      || { tail -5 "$log"; echo "clients: no $package"; }
  done
  rm -f "$log"
fi

[ $# -gt 0 ] || mapfile -t files < <(find test/clients -name '*.test.ts' | sort)
[ $# -eq 0 ] || files=("$@")
CTHELPER_CLIENTS=1 tap_files 'real clients' 1 "${files[@]}"
finish
