#!/usr/bin/env bash
# The long proofs: live transitions between all ordered pairs of the examples,
# judged by the outside checker, the examples that call the API, and the
# properties with more cases.
# PROOF_SCHEDULES is how many random schedules of failures are run in virtual
# time (default 1000; with PROOF_CASES=0 none but those of make test); ROSTER_SEED is the first's seed.
# PROOF_CASES is how many cases each property gets (default 20000); 0 leaves
# them to make test, which runs fewer.
set -eu -o pipefail
cd "$(dirname "$0")/.."
ROSTER_TEST_SLOW=1 go test -count=1 -timeout 60m -v -run 'BetweenAnyTwoModels|RestartGroups|DevOnce' ./integration/spine | grep -vE '^=== '
ROSTER_TEST_SLOW=1 go test -count=1 -timeout 20m -v -run 'DevCluster' ./integration/scripts | grep -vE '^=== '
if [ "${PROOF_CASES:-}" != 0 ]; then
  ROSTER_TEST_SLOW=1 go test -count=1 -timeout 60m -v -run 'InEveryModel|InTheOtherModels' ./integration/failover | grep -vE '^=== '
  ROSTER_TEST_SLOW=1 go test -count=1 -timeout 20m -v -run 'OlderSnapshot' ./integration/members | grep -vE '^=== '
fi
# Real Raft and real sessions in virtual time, judged by what the services really
# did; the short slice is that of make test.
if [ "${PROOF_CASES:-}" != 0 ] || [ -n "${PROOF_SCHEDULES:-}" ]; then
  ROSTER_SCHEDULES="${PROOF_SCHEDULES:-1000}" go test -count=1 -timeout 90m -v -run 'RandomSchedules' ./integration/virtual | grep -vE '^=== |PASS: .*seed'
fi
if [ "${PROOF_CASES:-20000}" = 0 ]; then exit 0; fi
for pkg in ./fsm/topology ./fsm/placement ./fsm/rollout ./fsm; do
  go test -count=1 -timeout 60m "$pkg" -rapid.checks="${PROOF_CASES:-20000}"
done
