#!/usr/bin/env bash
# Drives Roster with nothing but curl: JSON over HTTP, on a member's
# --http-listen port. It reads status, cordons a node and ends that again, shows
# that a request id makes a write safe to repeat, what a refusal looks like, and
# follows events for a moment.
#
#   eval "$(scripts/dev-cluster.sh env)"; scripts/examples/curl.sh node-1
#
# ROSTER_HTTP is the member's port, as https://localhost:7402. With certificates,
# ROSTER_CA, ROSTER_CERT and ROSTER_KEY are the files of an operator's.
set -eu -o pipefail

node=${1:?name a node, as node-1}
: "${ROSTER_HTTP:?set it to a member\'s HTTP port, as https://localhost:7402}"
tls=()
if [ -n "${ROSTER_CA:-}" ]; then
  tls=(--cacert "$ROSTER_CA" --cert "$ROSTER_CERT" --key "$ROSTER_KEY")
fi

# call SERVICE/METHOD BODY prints the answer; a refusal ends the script with it.
call() {
  local answer
  answer=$(curl -sS --max-time 30 "${tls[@]}" -H 'Content-Type: application/json' -d "$2" -w '\n%{http_code}' "$ROSTER_HTTP/roster.v1.$1")
  if [ "${answer##*$'\n'}" != 200 ]; then
    printf '%s: HTTP %s\n%s\n' "$1" "${answer##*$'\n'}" "${answer%$'\n'*}" >&2
    return 1
  fi
  printf '%s\n' "${answer%$'\n'*}"
}

# request_id prints a UUIDv7: milliseconds since 1970, then chance.
request_id() {
  local time chance
  time=$(printf '%012x' $(($(date +%s) * 1000)))
  chance=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s-%s-7%s-8%s-%s\n' "${time:0:8}" "${time:8:4}" "${chance:0:3}" "${chance:3:3}" "${chance:6:12}"
}

echo "== the first word of status"
status=$(call ClusterService/GetStatus '{}') # whole, before it is searched: a closed pipe would end the script
grep -m1 -o '"state": *"[a-z_]*"' <<<"$status"

echo "== what a node is wanted to serve, and why"
call AssignmentService/ListAssignments "{\"node\": \"$node\"}"

echo "== a write, twice under one request id: it is done once, and answers the same"
id=$(request_id)
body="{\"request_id\": \"$id\", \"id\": \"$node\", \"cordoned\": true, \"reason\": \"an example\"}"
first=$(call NodeService/CordonNode "$body")
again=$(call NodeService/CordonNode "$body")
echo "$first"
[ "$first" = "$again" ] || {
  echo "the second answer is another: $again" >&2
  exit 1
}

echo "== and back"
call NodeService/CordonNode "{\"request_id\": \"$(request_id)\", \"id\": \"$node\", \"cordoned\": false}"

echo "== a misspelt key is refused, not left out"
if call NodeService/GetNode "{\"nmae\": \"$node\"}"; then
  echo "it was not refused" >&2
  exit 1
fi 2>&1

echo "== what happened to the node; a stream is an object a line"
{ curl -s --max-time 3 -N "${tls[@]}" -H 'Content-Type: application/json' -d "{\"node\": \"$node\"}" \
  "$ROSTER_HTTP/roster.v1.EventService/WatchEvents" || [ $? -eq 28 ]; } # 28: the time is over
