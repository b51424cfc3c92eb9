#!/usr/bin/env bash
# The long proofs: live transitions between all ordered pairs of the examples,
# changes that happen as their plans said, are taken back and tried first, all judged
# by the outside checker; the examples that call the API; random schedules; and the
# properties with more cases.
# PROOF_SCHEDULES is how many random schedules of failures are run in virtual
# time (default 1000; with PROOF_CASES=0 none but those of make test); ROSTER_SEED is the first's seed.
# PROOF_CASES is how many cases each property gets (default 100000: hours on two
# processors); 0 leaves them to make test, which runs fewer. PROPERTY_SEED is what
# they are drawn from (default: another one each time). Each part says how long it
# took.
set -eu -o pipefail
cd "$(dirname "$0")/.."
cases=${PROOF_CASES:-100000}
part() { # part WHAT COMMAND…
  local what=$1 began=$SECONDS
  shift
  "$@"
  echo "=== $what: $((SECONDS - began)) s"
}
live() { # live PACKAGE PATTERN: its tests that take minutes, too
  ROSTER_TEST_SLOW=1 go test -count=1 -timeout 60m -v -run "$2" "$1" | grep -vE '^=== '
}
part "transitions between all pairs" live ./integration/spine 'BetweenAnyTwoModels|RestartGroups|DevOnce'
part "changes as their plans said" live ./integration/change 'TenTransitions|AbortsReturn'
part "the examples" live ./integration/scripts 'DevCluster'
if [ "$cases" != 0 ]; then
  part "canaries" live ./integration/change 'Canary'
  part "failover in every model" live ./integration/failover 'InEveryModel|InTheOtherModels'
fi
# Real Raft and real sessions in virtual time, judged by what the services really
# did; the short slice is that of make test.
schedules() {
  ROSTER_SCHEDULES="${PROOF_SCHEDULES:-1000}" go test -count=1 -timeout 90m -v -run 'RandomSchedules' ./integration/virtual | grep -vE '^=== |PASS: .*seed'
}
if [ "$cases" != 0 ] || [ -n "${PROOF_SCHEDULES:-}" ]; then
  part "random schedules" schedules
fi
if [ "$cases" = 0 ]; then exit 0; fi
seed=${PROPERTY_SEED:-$(date +%s%N)}
for pkg in ./fsm/topology ./fsm/placement ./fsm/rollout ./fsm/whatif ./fsm; do
  part "$cases cases for each property of $pkg, seed $seed" go test -count=1 -timeout 24h "$pkg" -rapid.checks="$cases" -rapid.seed="$seed"
done
