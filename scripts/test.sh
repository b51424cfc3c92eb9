#!/usr/bin/env bash
# Every test, with a summary that says what was skipped and why.
# ROSTER_REQUIRE=daemons,root turns the named skips into failures.
set -u -o pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$(date +%s)
go vet ./... || exit 1
go test -json -count=1 -timeout 15m "$@" ./... | go run ./scripts/testsummary >"$log"
code=$?
cat "$log"
echo "took $(($(date +%s) - start)) s"
exit $code
