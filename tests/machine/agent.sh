# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# tang: 1
# seconds: 600
# shellcheck shell=bash
# Unlocking with nobody there, by bindings that clevis itself made.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

QUESTION='Please enter the unlock key of swarm node m1'
WRONG=SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
LOCK=/var/lib/swarm-manager/keyslots.luks

state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]]; }
asks() { run sh -c 'cat /run/systemd/ask-password/ask.* 2>/dev/null' | grep -q "$QUESTION"; }
asks_not() { ! asks; }
agent_may() { run sh -c 'cat /run/systemd/ask-password/ask.*' | grep -qx "X-SwarmAgent=$1"; }
tang() { on t1 systemctl "$1" tangd.socket; }
now_ms() { date +%s%3N; }
agent_off() { run systemctl mask --runtime --now swarm-agent; } # or the manager would start it, too
agent_on() { run systemctl unmask --runtime swarm-agent && run systemctl start swarm-agent; }
agent_pid() { run systemctl show -P MainPID swarm-agent; }

# entries ID: how many there are since the machine's clock said SINCE
entries() { run journalctl --no-pager --quiet --output cat --since "@$SINCE" MESSAGE_ID="$1" | wc -l; }
OPENED=825110ae9e2b4d389c48b4e1d5cd63da
FAILED=ff658d938eb34ee38bc52fb9fb8df486

begin() { SINCE=$(run date +%s.%N); }

lock_again() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 asks
}

nobody_there() {
    local began
    begin
    run systemctl stop swarm-manager
    began=$(now_ms)
    run timeout 20 systemctl start swarm-manager
    echo "active after $(($(now_ms) - began)) ms"
    is active
    asks_not
    [[ $(entries "$OPENED") == 1 && $(entries "$FAILED") == 0 ]]
    run journalctl --no-pager --quiet --output cat --output-fields SWARM_METHOD --since "@$SINCE" SWARM_METHOD=agent | grep -q .
}

tang_down_and_up() {
    tang stop
    begin
    lock_again
    sleep 4
    is locked
    asks
    [[ $(entries "$FAILED") == 1 ]] # told once, tried often
    tang start
    wait_for 32 is active
    wait_for 2 asks_not
}

network_comes() {
    local began
    tang start
    "$SANDBOX" cut t1
    lock_again
    sleep 20 # the pauses have grown
    is locked
    "$SANDBOX" mend t1
    began=$(now_ms)
    run ip address add 10.213.0.77/24 dev eth0
    wait_for 5 is active # a try that hangs comes to its end first
    echo "active $(($(now_ms) - began)) ms after the network came"
    run ip address del 10.213.0.77/24 dev eth0
}

# person WHAT: the person's key works at once.
person_is_not_delayed() {
    local began
    "$@"
    run systemctl stop swarm-manager
    began=$(now_ms)
    type_at_prompt m1 'systemctl start swarm-manager' "$QUESTION" "$KEY"
    echo "active after $(($(now_ms) - began)) ms"
    (($(now_ms) - began < 4000))
    is active
}

typo_does_not_stop_the_agent() {
    tang stop
    (sleep 6 && tang start) &
    run systemctl stop swarm-manager
    type_at_prompt m1 'systemctl start swarm-manager' "$QUESTION" "$WRONG" "Wrong key. $QUESTION" garbage
    wait
    is active
}

# Bound to the agent's name, as its answers are.
WRONG_ANSWER='
import glob, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0swarm-agent")
s.sendto(b"+" + sys.argv[1].encode(), glob.glob("/run/systemd/ask-password/sck.swarm-*")[0])'

wrong_key_of_the_agent_stops_it() {
    agent_off
    lock_again
    agent_may 1
    run python3 -c "$WRONG_ANSWER" "$WRONG"
    wait_for 5 agent_may 0
    agent_on
    sleep 3
    is locked
    agent_may 0
    run swarmctl unlock <<<"$KEY"
    is active
}

killed_agent_finds_the_prompt() {
    tang stop
    lock_again
    run systemctl kill -s KILL swarm-agent
    tang start
    wait_for 32 is active
    run systemctl is-active swarm-agent
}

unknown_pin_goes_to_clevis() {
    run clevis luks bind -y -d "$LOCK" -k - null '{}' <<<"$KEY"
    tang stop
    run systemctl stop swarm-manager
    run timeout 20 systemctl start swarm-manager
    is active
    run clevis luks unbind -f -d "$LOCK" -s "$(run clevis luks list -d "$LOCK" | sed -n "s/:.*'null'.*//p")"
    tang start
}

at_boot() {
    run systemctl enable swarm-manager swarm-agent
    "$SANDBOX" restart m1
    wait_for 20 is active
}

without_the_agent() {
    agent_off
    lock_again
    sleep 2
    is locked
    run swarmctl unlock <<<"$KEY"
    agent_on
    is active
}

sleeps() {
    local pid calls
    pid=$(agent_pid)
    calls=$(run sh -c "timeout 60 strace -f -p $pid -o /run/agent.strace; wc -l </run/agent.strace; cat /run/agent.strace >&2")
    [[ $calls == 1 || $calls == 2 ]] # the one that it sleeps in, and strace's leaving
    run sh -c "! grep -v 'poll' /run/agent.strace | grep -q '('"
    run grep VmRSS "/proc/$pid/status"
    (($(run sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status") <= 5120))
}

# Cases run in subshells: the key is kept here.
run systemctl start swarm-manager
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
run clevis luks bind -y -d "$LOCK" -k - tang '{"url":"http://t1"}' <<<"$KEY"
run systemctl enable --now swarm-agent

case_ unlocks-with-nobody-there nobody_there
case_ tang-down-then-up tang_down_and_up
case_ network-comes-later network_comes
case_ a-person-is-not-delayed-by-dead-tang person_is_not_delayed tang stop
case_ a-person-is-not-delayed-by-hung-tang person_is_not_delayed "$SANDBOX" cut t1
"$SANDBOX" mend t1
tang start
case_ a-typo-does-not-stop-the-agent typo_does_not_stop_the_agent
case_ a-wrong-key-of-the-agent-stops-it wrong_key_of_the_agent_stops_it
case_ a-killed-agent-finds-the-prompt killed_agent_finds_the_prompt
case_ an-unknown-pin-goes-to-clevis unknown_pin_goes_to_clevis
tang start
case_ without-the-agent without_the_agent
case_ at-boot at_boot
case_ sleeps-while-idle sleeps
