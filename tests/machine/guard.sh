# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# Who may do what, with real polkitd; what the journal says; that secrets stay out of sight.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

as() { run runuser -u "$1" -- "${@:2}"; }
on_bus() { run env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket swarmctl "$@"; } # root would go past it
state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]]; }

denied() {
    local status=0
    as "$@" || status=$?
    [[ $status == 8 ]] || { echo "exit status $status instead of 8"; return 1; }
}

start_locked() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 is locked
}

status_is_open() {
    expect_text active as alice swarmctl info
    as alice swarmctl node ls
    as alice swarmctl node inspect self
    as alice swarmctl keyslot ls
}

the_rest_is_refused() {
    local command
    for command in 'unlock-key' 'unlock-key --rotate' 'update --autolock=false' 'join-token worker' 'join-token --rotate worker' 'leave --force' \
        'secret ls' 'secret create x /etc/passwd' 'secret inspect x' 'secret rm x' 'config ls' 'config create x /etc/passwd' 'init'; do
        # shellcheck disable=SC2086 # words
        denied alice swarmctl $command
    done
    is active
}

every_method_has_a_rule() {
    local method
    for method in $(run busctl introspect org.swarm.Manager1 /org/swarm/Manager1 org.swarm.Manager1 | awk '$2 == "method" {print substr($1, 2)}'); do
        grep -q "{ \"$method\", " "$(dirname "$SANDBOX")/../manager/bus/bus_policy.c" || { echo "no rule for $method"; return 1; }
    done
}

group_may_unlock() {
    start_locked
    denied bob swarmctl unlock <<<"$KEY"
    run sh -c 'groupadd swarm-unlockers; usermod -aG swarm-unlockers bob
        install -m 644 "$(find /usr/share -name "*swarm-unlockers.rules*" | head -n 1)" /etc/polkit-1/rules.d/50-swarm-unlockers.rules'
    sleep 1
    as bob swarmctl unlock <<<"$KEY"
    is active
    denied bob swarmctl unlock-key
}

# One password, typed at the text agent, for the rotation and for its receipt. polkit wants a login session for that.
text_agent() {
    local session='systemd-run --quiet --pty --uid=alice --property=PAMName=login'
    run sh -c 'groupadd -f sudo; usermod -aG sudo bob; echo bob:typed-by-bob | chpasswd'
    sleep 1
    type_at_prompt m1 "$session swarmctl secret ls" 'Password: ' typed-by-bob
    type_at_prompt m1 "$session swarmctl unlock-key --rotate" 'Password: ' typed-by-bob
    expect_exit 8 type_at_prompt m1 "$session swarmctl secret ls" 'Password: ' wrong
    run swarmctl keyslot ls --json | python3 -c 'import json,sys; k = json.load(sys.stdin); assert [s["State"] for s in k] == ["active"], k'
}

root_without_polkit() {
    run systemctl mask --runtime --now polkit
    on_bus secret ls
    denied alice swarmctl secret ls
    run systemctl unmask --runtime polkit
}

# entry MESSAGE-NAME FIELD…: the catalogued id of manager/daemon/ids.h is in the journal with those fields
entry() {
    local id entry field
    id=$(sed -n "s/^#define MESSAGE_$1 \"\(.*\)\"/\1/p" "$(dirname "$SANDBOX")/../manager/daemon/ids.h")
    entry=$(run journalctl -q -o json "MESSAGE_ID=$id" | tail -n 1)
    for field in MESSAGE "${@:2}"; do
        [[ $entry == *"\"$field\""* ]] || { echo "$1: no $field in: $entry"; return 1; }
    done
}

journal_entries() {
    run swarmctl unlock <<<SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA || true
    start_locked
    run swarmctl unlock <<<SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA || true
    run swarmctl unlock <<<"$KEY"
    run swarmctl unlock-key -q --rotate >/dev/null
    run swarmctl update --autolock=false
    run swarmctl update --autolock=true >/dev/null
    entry INITIALISED SWARM_METHOD SWARM_CALLER_UID
    entry LOCKED
    entry UNLOCKED SWARM_METHOD SWARM_CALLER_UID SWARM_KEYSLOT
    entry UNLOCK_FAILED SWARM_METHOD SWARM_CALLER_UID
    entry KEY_ROTATED SWARM_CALLER_UID SWARM_GENERATION
    entry KEY_CONFIRMED SWARM_CALLER_UID SWARM_GENERATION
    entry AUTOLOCK_ENABLED SWARM_CALLER_UID
    entry AUTOLOCK_DISABLED SWARM_CALLER_UID
    run journalctl --update-catalog
    expect_text 'Defined-By: swarm-manager' run journalctl -q -x -u swarm-manager
}

attempts_are_slowed() {
    local start
    start_locked
    start=$(date +%s%N)
    for _ in 1 2 3 4; do
        run swarmctl unlock <<<SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA || true
    done
    (($(date +%s%N) - start > 1500000000)) # 0 + 250 + 500 + 1000 ms
    KEY=$(run swarmctl unlock-key -q 2>/dev/null) || true
}

keys_stay_out_of_sight() {
    local dump=/run/dump
    run sh -c "systemctl restart --no-block swarm-manager; busctl monitor --system >$dump 2>&1 & echo \$! >/run/monitor"
    sleep 1
    # the newest key is not known here any more: start anew
    run swarmctl leave --force
    local key
    key=$(on_bus init --autolock | grep -o 'SWMKEY-1-.*')
    printf 'hunter2-in-clear' | on_bus secret create seen -
    on_bus unlock-key >/dev/null
    start_locked
    on_bus unlock <<<"$key"
    run sh -c 'kill $(cat /run/monitor)'
    run grep -q CreateSecret $dump
    expect_exit 1 run grep -a -F -e "${key:9}" -e hunter2-in-clear $dump
    run sh -c 'journalctl --no-pager -o export' >"$TMP"
    expect_exit 1 grep -a -F -e "${key:9}" -e hunter2-in-clear "$TMP"
    run sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ' >"$TMP"
    expect_exit 1 grep -a -F -e "${key:9}" -e hunter2-in-clear "$TMP"
}

exposure() {
    local unit level
    for unit in swarm-manager swarm-ask swarm-seal@1-2-3; do
        level=$(run systemd-analyze security --no-pager "$unit.service" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
        echo "$unit: $level"
        awk -v l="$level" 'BEGIN { exit !(l != "" && l <= 1.5) }'
    done
    [[ $(run systemctl show -P User swarm-manager) == swarm-manager ]]
    [[ $(run sh -c 'grep CapEff /proc/$(pidof swarm-managerd)/status') == *0000000000000000 ]]
}

TMP=$(mktemp)
run systemctl start swarm-manager
run useradd -m alice
run useradd -m bob
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')

case_ status-is-open status_is_open
case_ the-rest-needs-an-administrator the_rest_is_refused
case_ every-method-has-a-rule every_method_has_a_rule
case_ a-group-may-unlock group_may_unlock
case_ text-agent-asks-once text_agent
KEY=$(run swarmctl unlock-key -q)
case_ root-works-without-polkit root_without_polkit
case_ journal-entries journal_entries
case_ failed-attempts-are-slowed attempts_are_slowed
case_ keys-stay-out-of-sight keys_stay_out_of_sight
case_ exposure exposure
rm -f "$TMP"
