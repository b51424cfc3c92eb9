#!/usr/bin/env bash
# Installs what Roster's tests run for real, from Debian's packages: Dovecot (IMAP)
# and Postfix (SMTP), swaks to send mail by hand, and ip and iptables for tests
# that cut hosts off in a network namespace of their own.
# Only as root, on a system with apt-get, and only what is missing; elsewhere it
# says so and ends well, and the tests that need a daemon skip with the reason.
# Nothing is left running: tests start instances of their own in folders of
# their own, and the packages' own services are kept from starting meanwhile.
set -u -o pipefail

packages=(dovecot-imapd postfix swaks iproute2 iptables)

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

say() { printf 'test daemons: %s\n' "$*" >&2; }
if ! command -v apt-get >/dev/null 2>&1; then
  say "no apt-get here; tests that need ${missing[*]} will skip"
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  say "not root; tests that need ${missing[*]} will skip (run this script as root to install them)"
  exit 0
fi

say "installing ${missing[*]}: the tests run real IMAP and SMTP daemons"
# A policy that forbids starting services, for as long as the installation lasts;
# one that the machine has already is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "${missing[@]}"; }
if ! install >/tmp/roster-test-daemons.$$ 2>&1; then
  { apt-get update -q && install; } >/tmp/roster-test-daemons.$$ 2>&1
fi
code=$?
if [ $code -ne 0 ]; then
  tail -20 /tmp/roster-test-daemons.$$ >&2
  say "the installation failed; tests that need ${missing[*]} will skip"
fi
rm -f /tmp/roster-test-daemons.$$
exit 0
