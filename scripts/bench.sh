#!/usr/bin/env bash
# Figures for docs/: deciding, writes, failover, fan-out, printed with the machine. No
# figure is asserted. BENCH_SHORT=1 takes a slice of a minute.
set -eu -o pipefail
cd "$(dirname "$0")/.."
ROSTER_BENCH="${BENCH_SHORT:+short}"
export ROSTER_BENCH="${ROSTER_BENCH:-full}"
go test -count=1 -timeout 30m -v -run 'Bench' ./integration/bench | grep -vE '^=== '
