# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 5
# shellcheck shell=bash
# The sandbox itself, as tests of several managers need it: names, cut and mend, and machines that die and come back together.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

ALL=(m1 m2 m3 m4 m5)

# Answers with its name on TCP port 9000; sends a datagram to everybody every 20 ms and counts what comes from whom in /run/heard
PEER='
import json, os, socket, threading, time
me, heard = socket.gethostname(), {}
def serve():
    listener = socket.create_server(("0.0.0.0", 9000))
    while True:
        c, _ = listener.accept()
        threading.Thread(target=echo, args=(c,), daemon=True).start()
def echo(c):
    c.sendall(me.encode() + b"\n")
    while data := c.recv(4096):
        c.sendall(data)
def hear():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 9000))
    while True:
        who = s.recv(16).decode()
        heard[who] = heard.get(who, 0) + 1
threading.Thread(target=serve, daemon=True).start()
threading.Thread(target=hear, daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for i in range(1, 6):
        try: s.sendto(me.encode(), (f"m{i}", 9000))
        except OSError: pass
    with open("/run/heard.new", "w") as f: json.dump(heard, f)
    os.rename("/run/heard.new", "/run/heard")
    time.sleep(0.02)'

# reached MACHINE: whom it reaches by TCP
reached() {
    on "$1" python3 -c '
import socket
found = []
for i in range(1, 6):
    try: found.append(socket.create_connection((f"m{i}", 9000), timeout=0.4).makefile().readline().strip())
    except OSError: pass
print(*found)'
}

# heard BY OF: how many datagrams
heard() { on "$1" python3 -c "import json; print(json.load(open('/run/heard')).get('$2', 0))"; }

# passes FROM TO: whether datagrams come through now
passes() {
    local before
    before=$(heard "$2" "$1")
    sleep 0.2
    (($(heard "$2" "$1") > before))
}

start_peers() {
    local m
    for m in "$@"; do
        on "$m" systemd-run --quiet --unit=peer python3 -c "$PEER"
    done
    for m in "$@"; do
        wait_for 5 on "$m" test -s /run/heard
    done
}

everybody_reaches_everybody() {
    local m
    start_peers "${ALL[@]}"
    for m in "${ALL[@]}"; do
        [[ $(reached "$m") == "${ALL[*]}" ]]
    done
}

both_directions() {
    local m
    "$SANDBOX" cut m2
    [[ $(reached m2) == m2 && $(reached m1) == 'm1 m3 m4 m5' ]]
    for m in m1 m3 m4 m5; do
        expect_exit 1 passes m2 $m
        expect_exit 1 passes $m m2
        passes $m m5 || [[ $m == m5 ]]
    done
    "$SANDBOX" mend m2
    wait_for 5 passes m2 m1
    wait_for 5 passes m1 m2
    [[ $(reached m2) == "${ALL[*]}" ]]
}

# One that is cut off does not learn of it: what it had begun goes on when the cable is back.
connections_survive() {
    on m1 python3 -c '
import socket, sys
s = socket.create_connection(("m2", 9000))
f = s.makefile("rwb", buffering=0)
print(f.readline(), flush=True)
sys.stdin.readline()
s.settimeout(1)
f.write(b"lost?\n")
try: sys.exit("came through: %r" % f.readline())
except TimeoutError: pass
print("cut", flush=True)
sys.stdin.readline()
s.settimeout(10)
print(socket.SocketIO(s, "r").readline(), flush=True)' <"$PIPE" >"$TMP" &
    local python=$!
    exec 9>"$PIPE"
    wait_for 5 grep -q m2 "$TMP"
    "$SANDBOX" cut m1
    echo >&9
    wait_for 5 grep -q cut "$TMP"
    "$SANDBOX" mend m1
    echo >&9
    wait $python
    grep 'lost?' "$TMP"
    exec 9>&-
}

two_of_five() {
    "$SANDBOX" cut m4 m5
    [[ $(reached m1) == 'm1 m2 m3' && $(reached m4) == m4 && $(reached m5) == m5 ]]
    "$SANDBOX" mend m4 m5
    [[ $(reached m1) == "${ALL[*]}" ]]
}

# took MILLISECONDS-AT-MOST COMMAND…
took() {
    local most=$1 start=$EPOCHREALTIME spent
    shift
    "$@"
    spent=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000))
    echo "$spent ms: ${*##*/}"
    ((spent <= most))
}

lose_power_together() {
    local m
    for m in "${ALL[@]}"; do
        on "$m" sh -c 'echo kept >/var/mark; sync; echo 1 >/run/mark'
    done
    took 3000 "$SANDBOX" kill "${ALL[@]}"
    for m in "${ALL[@]}"; do
        expect_exit 1 on "$m" true
    done
    took 20000 "$SANDBOX" restart "${ALL[@]}"
    for m in "${ALL[@]}"; do
        on "$m" sh -c '[ "$(cat /var/mark)" = kept ] && [ ! -e /run/mark ]'
    done
    start_peers "${ALL[@]}"
    [[ $(reached m3) == "${ALL[*]}" ]]
}

# Commands that run in a machine die with it, and do not hold up its shutdown.
shut_down_under_commands() {
    local i commands=()
    for i in 1 2 3; do
        "$SANDBOX" run m1 sh -c 'trap "" HUP; while :; do sleep 0.1; done' &
        commands+=($!)
        "$SANDBOX" run m2 python3 -c 'import sys; sys.stdin.read()' < <(sleep 60) &
        commands+=($!)
    done
    sleep 0.5
    took 20000 "$SANDBOX" restart m1 m2
    for i in "${commands[@]}"; do
        expect_exit 143 wait "$i"
    done
    on m1 true
}

exit_status_and_streams() {
    expect_exit 7 on m1 sh -c 'exit 7'
    [[ $(on m1 sh -c 'cat; echo "$1|$2"; echo noise >&2' sh 'a  b' "c'\"\$d" <<<in 2>/dev/null) == $'in\na  b|c\'"$d' ]]
}

TMP=$(mktemp)
PIPE=$(mktemp -u)
mkfifo "$PIPE"

case_ everybody-reaches-everybody-by-name everybody_reaches_everybody
case_ cut-is-in-both-directions both_directions
case_ connections-survive-a-short-cut connections_survive
case_ two-of-five-cut-off two_of_five
case_ lose-power-together lose_power_together
case_ shut-down-under-commands shut_down_under_commands
case_ exit-status-and-streams exit_status_and_streams
rm -f "$TMP" "$PIPE"
