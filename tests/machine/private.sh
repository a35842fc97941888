# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# Root's own socket to the manager: who is let in, what hostile peers come to, and that it needs no bus.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

SOCKET=/run/swarm-manager/private
WRONG=SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

as() { run runuser -u "$1" -- "${@:2}"; }
state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]]; }
pid() { run systemctl show -P MainPID swarm-manager; }

start_locked() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 run test -S $SOCKET # before that swarmctl asks the bus, which may hang here
    wait_for 10 is locked
}

# Python that knows dial() and hung_up(PEER)
peer() {
    "$1" "${@:3}" python3 -c "
import socket, subprocess, sys
def dial():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect('$SOCKET')
    return s
def hung_up(s):
    try:
        while s.recv(4096): pass
    except ConnectionResetError: pass
    return True
$2"
}

others_are_refused() {
    [[ $(run stat -c '%a %U' $SOCKET) == '600 swarm-manager' ]]
    peer as '
try: dial()
except PermissionError: sys.exit(0)
sys.exit(1)' alice
    expect_text active as alice swarmctl info # by the bus
}

# Root that may not override a file's mode is sent to the bus.
root_without_capabilities() {
    expect_text active run systemd-run --quiet --wait --pipe -p CapabilityBoundingSet= swarmctl info
}

past_the_bus() {
    run sh -c 'busctl monitor --system >/run/dump 2>&1 & echo $! >/run/monitor'
    sleep 1
    run swarmctl config ls
    run env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket swarmctl secret ls
    run sh -c 'kill $(cat /run/monitor)'
    run grep -q ListSecrets /run/dump
    expect_exit 1 run grep ListConfigs /run/dump
}

journal_names_the_peer() {
    start_locked
    run swarmctl unlock <<<"$KEY"
    run journalctl -q -o json MESSAGE_ID="$UNLOCKED" | tail -n 1 |
        python3 -c '
import json, re, sys
e = json.load(sys.stdin)
assert re.fullmatch(r"dbus pid:[1-9]\d*", e["SWARM_METHOD"]) and e["SWARM_CALLER_UID"] == "0", e'
}

starts_the_manager() {
    run systemctl stop swarm-manager
    expect_exit 1 run test -e $SOCKET
    run swarmctl info # locked, as the bus starts it
    is locked
    run swarmctl unlock <<<"$KEY"
}

without_dbus() {
    run systemctl stop dbus.socket dbus.service
    expect_exit 1 run pidof dbus-daemon
    is active # it was not drawn along
    start_locked
    expect_exit 7 run swarmctl unlock <<<$WRONG
    run swarmctl unlock <<<"$KEY"
    is active
    run swarmctl secret ls
    [[ $(run systemctl is-active swarm-manager) == active ]]
    expect_exit 10 as alice swarmctl info
    [[ $(run journalctl -q -u swarm-manager -I | grep -c 'trying again') -le 1 ]] # not at every attempt
}

with_dbus_again() {
    run systemctl start dbus.socket dbus.service
    wait_for 10 as alice swarmctl info
    is active
}

dbus_hangs() {
    local dbus
    dbus=$(run pidof dbus-daemon)
    run kill -STOP "$dbus"
    start_locked
    run swarmctl unlock <<<"$KEY"
    is active
    run kill -CONT "$dbus"
    wait_for 30 as alice swarmctl info
}

too_many() {
    peer run '
peers = [dial() for i in range(64)]
assert hung_up(dial())
subprocess.run(["swarmctl", "info"], check=True)' # by the bus
    is active
}

garbage() {
    peer run '
for talk in b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n" + bytes(range(256)), b"\0" + b"A" * 100000:
    s = dial()
    try: s.sendall(talk)
    except (BrokenPipeError, ConnectionResetError): pass
    assert hung_up(s)'
    is active
}

# Wrong keys are answered after a while, which these callers do not see.
vanish() {
    start_locked
    run swarmctl unlock <<<$WRONG || true
    run swarmctl unlock <<<$WRONG || true
    for _ in 1 2 3 4; do
        expect_exit 124 run timeout 0.2 swarmctl unlock <<<$WRONG
    done
    is locked
    run swarmctl unlock <<<"$KEY"
    is active
}

lives_on() {
    local before
    before=$(pid)
    "$@"
    [[ $(pid) == "$before" ]]
}

UNLOCKED=$(sed -n 's/^#define MESSAGE_UNLOCKED "\(.*\)"/\1/p' "$(dirname "$SANDBOX")/../manager/daemon/ids.h")
run systemctl start swarm-manager
run useradd -m alice
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')

case_ others-are-refused others_are_refused
case_ root-without-capabilities-takes-the-bus root_without_capabilities
case_ root-goes-past-the-bus past_the_bus
case_ the-journal-names-the-peer journal_names_the_peer
case_ the-bus-starts-the-manager starts_the_manager
case_ too-many-peers lives_on too_many
case_ garbage lives_on garbage
case_ peers-vanish-in-mid-request vanish
case_ unlocks-without-dbus without_dbus
case_ dbus-comes-back lives_on with_dbus_again
case_ unlocks-while-dbus-hangs dbus_hangs
