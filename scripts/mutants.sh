#!/usr/bin/env bash
# Applies each patch of testdata/mutants/ to a copy of the tree and runs the
# test that it names; a mutant whose test stays green is a failure.
# A patch begins with `# claim: ...` and `# test: ./pkg -run 'TestName'`.
# MUTANTS=glob picks some (default: all); MUTANTS_EVERY=N takes each Nth of them;
# MUTANTS_JOBS=N breaks N trees at a time (default: 2).
set -u -o pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/taken"

# The patches that are wanted, those of one package side by side: what one of
# them made the compiler do serves the next one too.
n=0
for patch in testdata/mutants/${MUTANTS:-*}.patch; do
  n=$((n + 1))
  if [ $((n % ${MUTANTS_EVERY:-1})) -ne 0 ]; then continue; fi
  echo "$(sed -n 's/^# test: \([^ ]*\).*/\1/p' "$patch" | head -1) $patch"
done | sort | cut -d' ' -f2- >"$work/list"

# judge says of one patch what became of it, in a tree of its own.
judge() {
  local tree=$1 patch=$2 name claim args package start=$SECONDS
  name=$(basename "$patch" .patch)
  claim=$(sed -n 's/^# claim: //p' "$patch" | head -1)
  args=$(sed -n 's/^# test: //p' "$patch" | head -1)
  package=${args%% *}
  if [ -z "$claim" ] || [[ "$args" != *" -run "* ]]; then
    echo "BROKEN  $name: it must begin with '# claim:' and '# test: ./pkg -run NAME'"
    return
  fi
  if ! patch -s -p1 --dry-run -d "$tree" <"$patch" >/dev/null 2>&1; then
    echo "BROKEN  $name: it no longer applies"
    return
  fi
  patch -s -p1 --no-backup-if-mismatch -d "$tree" <"$patch" >/dev/null
  rm -f "$tree.test"
  # Built once, without vet and without what only a debugger reads: most of the time is the linker's.
  if ! (cd "$tree" && go test -c -trimpath -vet=off -ldflags='-s -w' -o "$tree.test" "$package") >"$tree.log" 2>&1 || [ ! -x "$tree.test" ]; then
    echo "BROKEN  $name: it does not compile"
  elif (cd "$tree/$package" && eval "'$tree.test' -test.timeout=5m -test.failfast ${args/* -run /-test.run }") >"$tree.log" 2>&1; then
    echo "MISSED  $name: $claim"
  elif grep -q '^flag provided but not defined' "$tree.log"; then
    echo "BROKEN  $name: its test does not begin"
  else
    echo "caught  $name: $claim ($((SECONDS - start)) s)"
  fi
  patch -s -R -p1 --no-backup-if-mismatch -d "$tree" <"$patch" >/dev/null
}

# worker takes the next patch that nobody took until there is none.
worker() {
  local tree=$work/tree$1 i=0 patch
  mkdir "$tree"
  git ls-files -z | grep -zv '^testdata/mutants/' | xargs -0 cp --parents -t "$tree"
  while read -r patch; do
    i=$((i + 1))
    if mkdir "$work/taken/$i" 2>/dev/null; then judge "$tree" "$patch"; fi
  done <"$work/list"
}

for job in $(seq "${MUTANTS_JOBS:-2}"); do worker "$job" & done | tee "$work/said"
caught=$(grep -c '^caught' "$work/said")
wanted=$(wc -l <"$work/list")
echo "$caught mutants caught, $((wanted - caught)) missed, in $SECONDS s"
[ "$caught" -eq "$wanted" ] && [ "$wanted" -gt 0 ]
