#!/usr/bin/env bash
# A cluster of real processes on loopback, with mutual TLS: members, and agents
# whose services are the builtin driver's, which greet and store nothing.
#
#   scripts/dev-cluster.sh up [--members 3] [--agents 5] [--topology FILE]
#   scripts/dev-cluster.sh status          processes, then `roster status`
#   scripts/dev-cluster.sh env             lines for eval, for roster and the examples
#   scripts/dev-cluster.sh kill ID         kill -9 of a member (m1) or an agent (node-1)
#   scripts/dev-cluster.sh revive ID       start it again
#   scripts/dev-cluster.sh down            end everything that was started here
#
# Each verb may be run again: `up` starts what does not run. Everything is in one
# folder, ROSTER_DEV_DIR (default /tmp/roster-dev-cluster-UID): certificates,
# configs, data, logs, pids. `down` leaves it, so the next `up` goes on with the
# same state; remove it to begin anew. Ports count up from ROSTER_DEV_PORT
# (default 10400), or are those of ROSTER_DEV_PORTS, in order. ROSTER_BIN is the
# program (default: built from here).
set -eu -o pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
dir=${ROSTER_DEV_DIR:-/tmp/roster-dev-cluster-$(id -u)}
services=(imap jmap webdav smtp-inbound smtp-outbound)
zones=(a1 a1 a2 b1 b1 b2 c1 c1 c2 c2)

say() { printf 'dev-cluster: %s\n' "$*" >&2; }
fail() {
  say "$1"
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}
usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}

# --- what was decided by the first `up`

number() { # number NAME: how many members or agents there are
  sed -n "s/^$1 //p" "$dir/size" 2>/dev/null
}
members() { seq -f 'm%g' 1 "$(number members)"; }
agents() { seq -f 'node-%g' 1 "$(number agents)"; }
port() { # port NAME: the port that was given to a name
  sed -n "s/^$1 //p" "$dir/ports"
}
known() { # known ID: fails where no such member or agent is
  [ -f "$dir/size" ] || fail "there is no cluster in $dir" "\`$0 up\` makes one"
  { members && agents; } | grep -x -- "$1" >/dev/null || fail "there is no member and no agent \"$1\"" "there are: $({ members && agents; } | tr '\n' ' ')"
}

# --- processes: a pid counts only with the moment at which it was born, so that
# nobody else's process is ever signalled

birth() { # birth PID: nothing where it has ended
  if [ -r "/proc/$1/stat" ]; then
    # The 22nd field, and the third is Z where nobody has waited for it yet; the
    # second one may have spaces and brackets.
    sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
  elif [ ! -d /proc/self ]; then
    ps -o lstart= -p "$1" 2>/dev/null || true
  fi
}
pid() { # pid ID: of the process that runs; nothing where none does
  local id=$1 number="" born=""
  [ -f "$dir/run/$id" ] || return 0
  { read -r number && read -r born; } <"$dir/run/$id" || return 0
  if [ -n "$born" ] && [ "$(birth "$number")" = "$born" ]; then echo "$number"; fi
}
start() { # start ID COMMAND…
  local id=$1
  shift
  [ -z "$(pid "$id")" ] || return 0
  # A process group of its own: Ctrl-C here is not for it.
  set -m
  "$@" >>"$dir/log/$id" 2>&1 </dev/null &
  local started=$!
  set +m
  disown "$started"
  printf '%s\n%s\n' "$started" "$(birth "$started")" >"$dir/run/$id.new"
  mv "$dir/run/$id.new" "$dir/run/$id"
}
start_one() { # start_one ID
  case $1 in
    m*)
      start "$1" "$bin" server --data "$dir/data/$1" --listen "127.0.0.1:$(port "$1-api")" --http-listen "127.0.0.1:$(port "$1-http")" \
        --ca "$dir/certs/ca.pem" --cert "$dir/certs/member-$1.pem" --key "$dir/certs/member-$1-key.pem"
      ;;
    *) start "$1" "$bin" agent --config "$dir/$1.yaml" ;;
  esac
}
until_true() { # until_true SECONDS WHAT COMMAND…
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      fail "still not: $what" "the logs are in $dir/log"
    fi
    sleep 0.2
  done
}
gone() { [ -z "$(pid "$1")" ]; }

# --- roster as this cluster's operator

environment() {
  export ROSTER_MEMBERS ROSTER_CA="$dir/certs/ca.pem" ROSTER_CERT="$dir/certs/user-operator.pem" ROSTER_KEY="$dir/certs/user-operator-key.pem"
  ROSTER_MEMBERS=$(for m in $(members); do echo "127.0.0.1:$(port "$m-api")"; done | paste -s -d , -)
  export ROSTER_HTTP
  ROSTER_HTTP=https://localhost:$(port m1-http)
}
find_binary() {
  if [ -n "${ROSTER_BIN:-}" ]; then
    bin=$ROSTER_BIN
  else
    bin=$dir/bin/roster
    if [ "${1:-}" = build ]; then
      say "building roster"
      (cd "$repo" && go build -o "$bin" ./cmd/roster)
    fi
  fi
  [ -x "$bin" ] || fail "$bin is no program" "\`$0 up\` builds it, or name one with ROSTER_BIN"
}
voters() { [ "$("$bin" member list --timeout 2s -o json | grep -c '"voter": true')" -ge "$1" ]; }
nodes_up() { [ "$("$bin" node list --timeout 2s -o json | grep -c '"state": "up"')" -ge "$1" ]; }

# --- up

give_ports() { # give_ports NAME…
  local given=(${ROSTER_DEV_PORTS:-}) next=${ROSTER_DEV_PORT:-10400} i=0
  if [ ${#given[@]} -gt 0 ] && [ ${#given[@]} -lt $# ]; then
    fail "ROSTER_DEV_PORTS has ${#given[@]} ports, $# are needed"
  fi
  for name in "$@"; do
    echo "$name ${given[$i]:-$((next + i))}"
    i=$((i + 1))
  done
}
no_one_listens() { # no_one_listens: reads lines of a name and a port
  local name number
  while read -r name number; do
    if (: <"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
      fail "port $number, for $name, is taken by another program" "give another first port with ROSTER_DEV_PORT"
    fi
  done
}
make_certificates() {
  [ -f "$dir/certs/ca.pem" ] || "$bin" certs ca --cluster dev-cluster --dir "$dir/certs" >/dev/null
  local want
  for want in "user operator" $(members | sed 's/^/member:/') $(agents | sed 's/^/agent:/'); do
    want=${want/:/ }
    [ -f "$dir/certs/${want/ /-}.pem" ] || "$bin" certs ${want} --dir "$dir/certs" --host localhost --host 127.0.0.1 >/dev/null
  done
}
write_config() { # write_config NODE NUMBER
  local zone=${zones[$((($2 - 1) % ${#zones[@]}))]} service path
  {
    echo "# Written by scripts/dev-cluster.sh."
    echo "node: $1"
    echo "dir: $dir/data/$1"
    echo "members: [${ROSTER_MEMBERS//,/, }]"
    echo "tls: {ca: $dir/certs/ca.pem, cert: $dir/certs/agent-$1.pem, key: $dir/certs/agent-$1-key.pem}"
    echo "region: ${zone%?}"
    echo "zone: $zone"
    if [ "${zone%?}" = c ]; then echo 'labels: {egress: "yes"}'; fi
    echo "probe_interval: 1s"
    echo "services:"
    for service in "${services[@]}"; do
      path=""
      case $service in
        jmap) path=", path: /jmap" ;;
        webdav) path=", path: /dav" ;;
      esac
      echo "  - {name: $service, driver: builtin, endpoints: [{host: 127.0.0.1, port: $(port "$1-$service"), tls: none$path}]}"
    done
  } >"$dir/$1.yaml"
}
write_topology() {
  cat >"$dir/topology.yaml" <<'YAML'
name: dev-cluster
pools:
  - {name: mailbox, services: [imap, jmap], weight: 2, spread: [zone]}
  - {name: web,     services: [webdav],     weight: 1}
  - {name: smtp,    services: [smtp],       weight: 2, spread: [zone]}
YAML
}
up() {
  local want_members="" want_agents="" topology=""
  while [ $# -gt 0 ]; do
    case $1 in
      --members | --agents | --topology)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
          --members) want_members=$2 ;;
          --agents) want_agents=$2 ;;
          --topology) topology=$2 ;;
        esac
        shift 2
        ;;
      *) fail "up does not know \"$1\"" "it takes --members N, --agents N and --topology FILE" ;;
    esac
  done
  local n
  for n in $want_members $want_agents; do
    [[ $n =~ ^[1-9][0-9]?$ ]] || fail "\"$n\" is not a number from 1 to 99"
  done
  [ -z "$topology" ] || [ -r "$topology" ] || fail "$topology cannot be read"
  if [ -f "$dir/size" ]; then
    if [ "${want_members:-$(number members)}" != "$(number members)" ] || [ "${want_agents:-$(number agents)}" != "$(number agents)" ]; then
      fail "the cluster in $dir has $(number members) members and $(number agents) agents" \
        "for another one: \`$0 down\`, remove the folder, and up again; or name another with ROSTER_DEV_DIR"
    fi
  fi
  mkdir -p "$dir"/{bin,certs,data,log,run}
  chmod 700 "$dir"
  find_binary build
  if [ ! -f "$dir/size" ]; then
    local names=() m a s
    for m in $(seq -f 'm%g' 1 "${want_members:-3}"); do names+=("$m-api" "$m-raft" "$m-http"); done
    for a in $(seq -f 'node-%g' 1 "${want_agents:-5}"); do
      for s in "${services[@]}"; do names+=("$a-$s"); done
    done
    give_ports "${names[@]}" >"$dir/ports"
    no_one_listens <"$dir/ports"
    printf 'members %s\nagents %s\n' "${want_members:-3}" "${want_agents:-5}" >"$dir/size.new"
    mv "$dir/size.new" "$dir/size"
  fi
  environment
  make_certificates

  # Those that joined before run first: a further one needs a leader to join.
  local m
  for m in $(members); do
    if [ -f "$dir/data/$m.made" ]; then start_one "$m"; fi
  done
  for m in $(members); do
    [ ! -f "$dir/data/$m.made" ] || continue
    local place=(--data "$dir/data/$m" --name "$m" --address "127.0.0.1:$(port "$m-api")" --raft-address "127.0.0.1:$(port "$m-raft")")
    if [ "$m" = m1 ]; then
      [ -e "$dir/data/m1" ] || "$bin" init --cluster dev-cluster --profile relaxed "${place[@]}" >/dev/null
    else
      until_true 60 "the first members have a leader" voters 1
      "$bin" join "${place[@]}" --cert "$dir/certs/member-$m.pem" --key "$dir/certs/member-$m-key.pem" --timeout 60s >/dev/null
    fi
    touch "$dir/data/$m.made"
    start_one "$m"
  done
  until_true 120 "every member has a vote" voters "$(number members)"
  say "$(number members) members run"

  local i=0 a
  for a in $(agents); do
    i=$((i + 1))
    [ -f "$dir/$a.yaml" ] || write_config "$a" $i
    start_one "$a"
  done
  until_true 120 "every agent is up" nodes_up "$(number agents)"
  say "$(number agents) agents are up"

  if [ -z "$topology" ] && [ ! -f "$dir/topology.yaml" ]; then
    write_topology
    topology=$dir/topology.yaml
  fi
  if [ -n "$topology" ]; then
    "$bin" topology apply -f "$topology" --yes --wait --timeout 5m >&2
    [ "$topology" = "$dir/topology.yaml" ] || cp "$topology" "$dir/topology.yaml"
  fi
  say "ready; for roster and the examples in this shell:  eval \"\$($0 env)\""
}

# --- the other verbs

status() {
  [ -f "$dir/size" ] || fail "there is no cluster in $dir" "\`$0 up\` makes one"
  find_binary
  environment
  local id number
  for id in $(members) $(agents); do
    number=$(pid "$id")
    printf '%-8s %s\n' "$id" "${number:+runs, pid }${number:-does not run}"
  done
  echo
  "$bin" status
}
env_lines() {
  [ -f "$dir/size" ] || fail "there is no cluster in $dir" "\`$0 up\` makes one"
  environment
  local name
  for name in ROSTER_MEMBERS ROSTER_CA ROSTER_CERT ROSTER_KEY ROSTER_HTTP; do
    printf "export %s='%s'\n" "$name" "${!name//\'/\'\\\'\'}"
  done
}
kill_one() {
  known "$1"
  local number
  number=$(pid "$1")
  if [ -z "$number" ]; then
    say "$1 does not run"
    return 0
  fi
  kill -9 "$number"
  until_true 30 "$1 is gone" gone "$1"
  say "$1 is killed"
}
revive_one() {
  known "$1"
  find_binary
  if [ -n "$(pid "$1")" ]; then
    say "$1 runs already"
    return 0
  fi
  start_one "$1"
  say "$1 is started"
}
down() {
  if [ ! -f "$dir/size" ]; then
    say "there is no cluster in $dir"
    return 0
  fi
  local id number
  # Agents first: members would only tell of their loss.
  for id in $(agents) $(members); do
    number=$(pid "$id")
    if [ -n "$number" ]; then kill "$number" 2>/dev/null || true; fi
  done
  for id in $(agents) $(members); do
    local end=$((SECONDS + 30))
    while ! gone "$id"; do
      if [ $SECONDS -ge $end ]; then
        number=$(pid "$id")
        say "$id does not end: it is killed"
        if [ -n "$number" ]; then kill -9 "$number" 2>/dev/null || true; fi
        until_true 30 "$id is gone" gone "$id"
      fi
      sleep 0.1
    done
    rm -f "$dir/run/$id"
  done
  say "everything has ended; its state is in $dir"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
  up) up "$@" ;;
  status | env | down)
    [ $# -eq 0 ] || fail "$verb takes no arguments"
    case $verb in
      status) status ;;
      env) env_lines ;;
      down) down ;;
    esac
    ;;
  kill | revive)
    [ $# -eq 1 ] || fail "$verb needs one id, as m1 or node-1"
    "${verb}_one" "$1"
    ;;
  "" | help | -h | --help) usage ;;
  *) fail "there is no verb \"$verb\"" "up, status, env, kill ID, revive ID, down; \`$0 help\` says more" ;;
esac
