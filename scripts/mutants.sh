#!/usr/bin/env bash
# Applies each patch of testdata/mutants/ to a copy of the tree and runs the
# test that it names; a mutant whose test stays green is a failure.
# A patch begins with `# claim: ...` and `# test: ./pkg -run 'TestName'`.
# MUTANTS=glob picks some (default: all); MUTANTS_EVERY=N takes each Nth of them.
set -u -o pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files -z | grep -zv '^testdata/mutants/' | xargs -0 cp --parents -t "$work"
caught=0
missed=0
n=0
for patch in testdata/mutants/${MUTANTS:-*}.patch; do
  n=$((n + 1))
  if [ $((n % ${MUTANTS_EVERY:-1})) -ne 0 ]; then continue; fi
  name=$(basename "$patch" .patch)
  claim=$(sed -n 's/^# claim: //p' "$patch" | head -1)
  args=$(sed -n 's/^# test: //p' "$patch" | head -1)
  if [ -z "$claim" ] || [ -z "$args" ]; then
    echo "BROKEN  $name: it must begin with '# claim:' and '# test:'"
    missed=$((missed + 1))
    continue
  fi
  if ! patch -s -p1 -d "$work" <"$patch" >/dev/null 2>&1; then
    echo "BROKEN  $name: it no longer applies"
    missed=$((missed + 1))
    continue
  fi
  if ! (cd "$work" && eval "go test -count=1 -run '^\$' $(echo "$args" | awk '{print $1}')") >/dev/null 2>&1; then
    echo "BROKEN  $name: it does not compile"
    missed=$((missed + 1))
  elif (cd "$work" && eval "go test -count=1 -timeout 5m $args") >"$work.log" 2>&1; then
    echo "MISSED  $name: $claim"
    missed=$((missed + 1))
  else
    echo "caught  $name: $claim"
    caught=$((caught + 1))
  fi
  patch -s -R -p1 -d "$work" <"$patch" >/dev/null 2>&1
done
rm -f "$work.log"
echo "$caught mutants caught, $missed missed"
[ "$missed" -eq 0 ]
