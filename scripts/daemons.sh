#!/usr/bin/env bash
# Real Dovecot and Postfix: the conformance suite of the process driver, and
# members and agents as processes around them.
set -eu -o pipefail
cd "$(dirname "$0")/.."
scripts/install-test-daemons.sh
ROSTER_REQUIRE="${ROSTER_REQUIRE:-daemons,root}" go test -count=1 -timeout 20m -v ./integration/daemons ./integration/spine -run 'Daemon|Dovecot|Postfix|Conform' | grep -vE '^=== '
