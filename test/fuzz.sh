#!/bin/bash
# npm run fuzz [-- SECONDS [FILE...]]: every law of the test files (or of those named) tried anew for SECONDS in all, an hour when nothing is
# said, each for an equal share; two at a time. Seeds are new in every run, and printed where a law breaks. Needs no root.
# Last line: N passed, N failed, N skipped.
set -uo pipefail
cd "$(dirname "$0")/.."

. test/tally.sh
seconds=${1:-3600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $seconds is no number of seconds; use npm run fuzz -- 600" >&2; exit 2; }
[ $# -eq 0 ] || shift
bash test/prepare.sh || { echo 'prepare failed'; passed=0 failed=1 skipped=0; finish; }
PATH=$PWD/node_modules/.bin:$PATH

files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(grep -rl "law.js'" test --include='*.test.ts' --exclude-dir=kernel | sort)
laws=$(cat "${files[@]}" | grep -cE "\bruns\([0-9]")
[ "$laws" -gt 0 ] || { echo "fuzz: no laws in ${files[*]}" >&2; exit 2; }
share=$((seconds * 2 / laws))
[ "$share" -gt 0 ] || share=1
echo "fuzz: $laws laws in ${#files[@]} files, $share s each"
export CTHELPER_FUZZ_SEC=$share

tap_files laws 2 "--timeout=$((share * laws + 600))" "${files[@]}"
finish
