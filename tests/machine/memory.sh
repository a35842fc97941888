# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# What a core of the running manager, and its disk, give away.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

STATE=/var/lib/swarm-manager
state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]]; }

core() {
    run sh -c 'rm -f /root/core.*; gdb -q -batch -p $(pidof swarm-managerd) -ex "set dump-excluded-mappings on" -ex "set use-coredump-filter off" \
        -ex "generate-core-file /root/core.now" >/dev/null 2>&1; test -s /root/core.now'
}

# How often the core holds the key: as text, as raw bytes
count() {
    run python3 -c '
import base64, sys
key = sys.stdin.readline().strip()
core = open("/root/core.now", "rb").read()
raw = base64.b64decode(key[9:] + "=")
print(core.count(key.encode()) + core.count(key[9:].encode()), core.count(raw))' <<<"$1"
}

start_locked() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 is locked
}

# The key is in the replicated state, raw: in the store and in the log entries that libraft keeps in memory (docs/SECURITY.md). Nowhere else, and
# never as the text that a person typed.
after_unlock() {
    local text raw
    start_locked
    run swarmctl unlock <<<"$KEY"
    sleep 1
    core
    read -r text raw < <(count "$KEY")
    echo "as text $text times, raw $raw times"
    ((text == 0))
    ((raw >= 1 && raw <= 4))
}

after_failed_attempt() {
    local text raw wrong
    wrong=SWMKEY-1-$(head -c 32 /dev/urandom | base64 | tr -d =)
    start_locked
    expect_exit 7 run swarmctl unlock <<<"$wrong"
    core
    read -r text raw < <(count "$wrong")
    echo "as text $text times, raw $raw times"
    ((text == 0 && raw == 0))
    read -r text raw < <(count "$KEY")
    ((text == 0 && raw == 0))
}

no_core_dumps() {
    run sh -c 'grep "Max core file size *0 *0" /proc/$(pidof swarm-managerd)/limits'
    [[ $(run systemctl show -P MemorySwapMax swarm-manager) == 0 ]]
    (($(run sh -c 'awk "/VmLck/ {print \$2}" /proc/$(pidof swarm-managerd)/status') > 0))
}

disk() {
    run swarmctl unlock <<<"$KEY" || true
    run sh -c "find $STATE -type f ! -path '*/tls/*' | xargs cat" >"$TMP"
    local word
    for word in db-password team-label blue-value hunter2-in-clear nginx.conf 'listen 80' BEGIN "${KEY:9}"; do
        expect_exit 1 grep -a -c -F "$word" "$TMP"
    done
    [[ -z $(run find $STATE -perm /077 ! -type l) ]]
    [[ -z $(run find $STATE ! -user swarm-manager) ]]
}

run systemctl start swarm-manager
TMP=$(mktemp)
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
printf hunter2-in-clear | run swarmctl secret create --label team-label=blue-value db-password - >/dev/null
printf 'listen 80;' | run swarmctl config create nginx.conf - >/dev/null

case_ key-in-memory-after-unlock after_unlock
case_ nothing-after-a-failed-attempt after_failed_attempt
case_ no-core-dumps-no-swap no_core_dumps
case_ nothing-in-clear-on-disk disk
rm -f "$TMP"
