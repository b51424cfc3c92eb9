#!/usr/bin/env bash
# Every test, with a summary that says what was skipped and why.
# ROSTER_REQUIRE=daemons,root turns the named skips into failures.
# TEST_CASES is how many cases each property gets (default 2000; with -race 100).
# PROPERTY_SEED is what their cases are drawn from (default: another one each time;
# it is printed).
set -u -o pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
start=$(date +%s)
go vet ./... || exit 1

cases=${TEST_CASES:-2000}
if [ -z "${TEST_CASES:-}" ] && [[ " $* " == *" -race "* ]]; then cases=100; fi
seed=${PROPERTY_SEED:-$(date +%s%N)}
echo "properties: $cases cases each, seed $seed"
# Only tests with properties know the flags.
properties=$(git grep -l 'rapid\.Check(' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's,^,roster/,')
others=$(go list ./... | grep -vxF "$properties")

# Properties keep one processor busy, the others mostly wait for processes.
go test -json -count=1 -timeout 15m -p 1 "$@" $properties -rapid.checks="$cases" -rapid.seed="$seed" >"$work/properties" 2>&1 &
properties_run=$!
trap 'kill "$properties_run" 2>/dev/null; exit 130' INT TERM
go test -json -count=1 -timeout 15m "$@" $others >"$work/others" 2>&1
code=$?
wait "$properties_run" || code=1
cat "$work/properties" "$work/others" | go run ./scripts/testsummary || code=1
echo "$cases cases for each property, seed $seed; took $(($(date +%s) - start)) s"
exit $code
