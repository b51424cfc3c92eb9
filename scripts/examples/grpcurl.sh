#!/usr/bin/env bash
# Drives Roster with nothing but grpcurl: members tell it themselves which calls
# there are (reflection). It lists services, reads status, freezes a node for a
# minute and ends that, and follows events for a moment.
#
#   eval "$(scripts/dev-cluster.sh env)"; scripts/examples/grpcurl.sh node-1
#
# ROSTER_MEMBERS is the API address of a member, or more with commas: the first is
# asked. With certificates, ROSTER_CA, ROSTER_CERT and ROSTER_KEY are the files of
# an operator's. GRPCURL is the program (default: the one that tools.mod pins).
set -eu -o pipefail

node=${1:?name a node, as node-1}
: "${ROSTER_MEMBERS:?set it to a member\'s API address, as 127.0.0.1:7401}"
member=${ROSTER_MEMBERS%%,*}
if [ -n "${GRPCURL:-}" ]; then
  grpcurl=("$GRPCURL")
else
  grpcurl=(go tool -modfile="$(cd "$(dirname "$0")/../.." && pwd)/tools.mod" grpcurl)
  cd "$(dirname "$0")/../.."
fi
options=(-plaintext)
if [ -n "${ROSTER_CA:-}" ]; then
  # It compares host names, so the member's certificate was made with --host.
  options=(-cacert "$ROSTER_CA" -cert "$ROSTER_CERT" -key "$ROSTER_KEY")
fi

# call SERVICE/METHOD BODY prints the answer.
call() { "${grpcurl[@]}" "${options[@]}" -max-time 30 -d "$2" "$member" "roster.v1.$1"; }

# request_id prints a UUIDv7: milliseconds since 1970, then chance.
request_id() {
  local time chance
  time=$(printf '%012x' $(($(date +%s) * 1000)))
  chance=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s-%s-7%s-8%s-%s\n' "${time:0:8}" "${time:8:4}" "${chance:0:3}" "${chance:3:3}" "${chance:6:12}"
}

echo "== services"
"${grpcurl[@]}" "${options[@]}" "$member" list

echo "== what a call takes, as the .proto says it"
"${grpcurl[@]}" "${options[@]}" "$member" describe roster.v1.CreateFreezeRequest

echo "== the first word of status"
status=$(call ClusterService/GetStatus '{}') # whole, before it is searched: a closed pipe would end the script
grep -m1 -o '"state": *"[A-Z_]*"' <<<"$status"

echo "== hands off a node, for a minute"
call GuardService/CreateFreeze "{\"request_id\": \"$(request_id)\", \"scope\": \"node:$node\", \"for\": \"60s\", \"reason\": \"an example\"}"
call GuardService/GetGuard '{}'

echo "== and on again"
call GuardService/DeleteFreeze "{\"request_id\": \"$(request_id)\", \"scope\": \"node:$node\"}"

echo "== what is refused has a code and a sentence"
if call GuardService/CreateFreeze "{\"request_id\": \"$(request_id)\", \"scope\": \"node:there-is-none\", \"for\": \"60s\", \"reason\": \"an example\"}"; then
  echo "it was not refused" >&2
  exit 1
fi 2>&1

echo "== what happened to the node"
"${grpcurl[@]}" "${options[@]}" -max-time 3 -d "{\"node\": \"$node\"}" "$member" roster.v1.EventService/WatchEvents 2>&1 || true # it ends with its time
