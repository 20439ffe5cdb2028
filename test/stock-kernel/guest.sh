#!/bin/bash
# Inside the guest: each test file on its own, under plain node; with SHARE, guest K of N takes every Nth. Closes with a line for run.sh: @@TALLY passed failed skipped.
cd /opt/app || exit
. test/tally.sh
echo "# Linux $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s, node $(node --version)"
# For both ends of ten thousand connections.
ulimit -n 65536
# tap's own limit is 30 s; here the file's limit is the only one.
export TAP_TIMEOUT=${FILE_TIMEOUT:=420}
while read -r name; do
  echo "# Subtest: test/kernel/$name"
  # The one module that no kernel loads by itself: SipHelper does where it translates, tests of the lower floors do not.
  case $name in
    firewall | maps-auto) modprobe -r nf_nat_sip ;;
    *) modprobe nf_nat_sip ;;
  esac
  began=$SECONDS
  timeout -k 10 "$FILE_TIMEOUT" node "test/kernel/$name.test.js" > /tmp/log 2>&1 < /dev/null
  status=$?
  sed 's/^/    /' /tmp/log
  count /tmp/log "$status"
  [ "$status" -eq 0 ] && verdict=ok || verdict='not ok'
  echo "$verdict - test/kernel/$name # status $status, $((SECONDS - began)) s"
done < <(awk -v guest="${SHARE%/*}" -v guests="${SHARE#*/}" 'NR % guests == guest % guests' tests)
echo "@@TALLY $passed $failed $skipped"
