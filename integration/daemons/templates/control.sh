#!/bin/sh
# How an operator may run one Dovecot by scripts: start, stop, status, drain, undrain
# and sessions. Each may run again after any other.
set -u
config={{.Dir}}/dovecot.conf
pid=$(cat {{.Dir}}/run/master.pid 2>/dev/null)

# runs is true where the pid file's process is a Dovecot with this configuration.
runs() {
  [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "dovecot .*$config"
}

case "${1:-}" in
  start)   dovecot -c "$config" ;;
  status)  runs || exit 3; echo "$pid" ;;
  stop)
    runs || exit 0
    kill "$pid"
    n=0
    while runs && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
    runs && { echo "Dovecot $pid does not end"; exit 1; }
    exit 0 ;;
  drain)   doveadm -c "$config" service stop imap-login ;;
  undrain) doveadm -c "$config" reload ;;
  # A row per user: how many connections it has is in the second column.
  sessions) doveadm -c "$config" -f tab who | awk -F '\t' 'NR > 1 { n += $2 } END { print n + 0 }' ;;
  *) echo "what is \"${1:-}\"?"; exit 2 ;;
esac
