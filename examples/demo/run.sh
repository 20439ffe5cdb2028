#!/bin/bash
# npm run demo: installs what is missing (says what), then plays a call through a gateway in network namespaces: cthelper demo.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash test/prepare.sh
exec node dist/cli/main.js demo
