#!/bin/sh
# Puts one of two prepared main.cf in place and has Postfix read it again.
# Sessions in progress finish under a plain reload.
set -eu
cp -p "{{.Dir}}/main.cf.$1" "{{.Dir}}/main.cf.next"
mv "{{.Dir}}/main.cf.next" "{{.Dir}}/main.cf"
exec postfix -c "{{.Dir}}" reload
