# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# The question at `systemctl start`, and everything that ends it.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

QUESTION='Please enter the unlock key of swarm node m1'
WRONG=SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]]; }
asks() { run sh -c 'cat /run/systemd/ask-password/ask.* 2>/dev/null' | grep -q "$QUESTION"; }
asks_not() { ! asks; }

start_locked() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 asks
}

prompts() {
    local output
    output=$(type_at_prompt m1 'systemctl start swarm-manager' "$QUESTION" "$KEY")
    printf '%s\n' "$output"
    is active
    [[ $output != *"$KEY"* ]]
}

asks_again() {
    run systemctl stop swarm-manager
    type_at_prompt m1 'systemctl start swarm-manager' "$QUESTION" "$WRONG" "Wrong key. $QUESTION" garbage "Wrong key. $QUESTION" "$KEY"
    is active
}

withdrawn_by_unlock() {
    start_locked
    run swarmctl unlock <<<"$KEY"
    wait_for 2 asks_not
    is active
}

withdrawn_by_stop() {
    start_locked
    run systemctl stop swarm-manager
    wait_for 2 asks_not
}

killed_asks_anew() {
    start_locked
    run systemctl kill -s KILL swarm-manager
    wait_for 10 asks # Restart=on-failure asks anew
    [[ $(run sh -c 'ls /run/systemd/ask-password/ask.* | wc -l') == 1 ]]
    run systemctl stop swarm-manager
}

human_may_take_long() {
    run mkdir -p /run/systemd/system/swarm-manager.service.d
    printf '[Service]\nTimeoutStartSec=3\n' | run tee /run/systemd/system/swarm-manager.service.d/short.conf >/dev/null
    run systemctl daemon-reload
    start_locked
    sleep 12
    is locked
    [[ $(run systemctl show -P NRestarts swarm-manager) == 0 ]]
}

hung_daemon_is_killed() {
    local pid
    pid=$(run systemctl show -P MainPID swarm-manager)
    run kill -STOP "$pid"
    wait_for 45 bash -c '! "$0" run m1 test -d "/proc/$1"' "$SANDBOX" "$pid"
    run systemctl stop swarm-manager
    run rm -r /run/systemd/system/swarm-manager.service.d
    run systemctl daemon-reload
}

at_boot() {
    run systemctl enable swarm-manager
    "$SANDBOX" restart m1
    wait_for 20 asks
    is locked
    run swarmctl unlock <<<"$KEY"
    is active
}

without_helper() {
    run systemctl stop swarm-manager swarm-ask.socket
    run systemctl mask --runtime swarm-ask.socket
    run systemctl start --no-block swarm-manager
    wait_for 10 is locked
    run swarmctl unlock <<<"$KEY"
    is active
    run systemctl unmask --runtime swarm-ask.socket
}

# Cases run in subshells: the key is kept here.
run systemctl start swarm-manager
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
run systemctl stop swarm-manager

case_ systemctl-start-prompts prompts
case_ wrong-key-asks-again asks_again
case_ unlock-through-d-bus-withdraws withdrawn_by_unlock
case_ stop-withdraws withdrawn_by_stop
case_ killed-daemon-asks-once-more killed_asks_anew
case_ a-person-may-take-long human_may_take_long
case_ a-hung-daemon-is-killed hung_daemon_is_killed
case_ asks-at-boot at_boot
case_ unlocks-without-the-helper without_helper
