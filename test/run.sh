#!/bin/bash
# npm test: installs what is missing, then types, format and lint, unit tests, kernel tests (one file at a time; they skip
# themselves, saying why, without root or where the kernel lacks something). Last line: N passed, N failed, N skipped.
set -uo pipefail
cd "$(dirname "$0")/.."

. test/tally.sh
bash test/prepare.sh || { echo 'prepare failed'; passed=0 failed=1 skipped=0; finish; }
PATH=$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin

check 'types' tsc -p .
check 'types of types/' tsc -p types
check 'format and lint' biome check .

mapfile -t unit < <(find test -name '*.test.ts' -not -path 'test/kernel/*' -not -path 'test/clients/*' -not -path 'test/fixtures/*' | sort)
mapfile -t kernel < <(find test/kernel -name '*.test.ts' | sort)
tap_files 'unit tests' 2 "${unit[@]}"
tap_files 'kernel tests' 1 "${kernel[@]}"
finish
