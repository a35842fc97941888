# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# One manager from nothing to leaving: states and texts are those of the reference (facts: "Lifecycle: state and text").
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

LOCKED='Swarm is encrypted and needs to be unlocked before it can be used. Please use "swarmctl unlock" to unlock it.'
KEYS=$(mktemp -d)

state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]] || { echo "state is $(state), not $1"; return 1; }; }

# fails_with STATUS TEXT COMMAND…
fails_with() {
    local status=$1 text=$2 output actual=0
    shift 2
    output=$("$@" 2>&1) || actual=$?
    printf '%s\n' "$output"
    [[ $actual == "$status" && $output == *"$text"* ]] || { echo "wanted exit status $status (got $actual) and: $text"; return 1; }
}

start_locked() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 is locked
}

unlock_with() { run swarmctl unlock <"$KEYS/$1"; }

outside() {
    run systemctl start swarm-manager
    is inactive
    fails_with 4 'This node is not a swarm manager' run swarmctl secret ls
    fails_with 4 'This node is not a swarm manager' run swarmctl node ls
    fails_with 4 'This node is not part of a swarm' run swarmctl unlock
    fails_with 4 'This node is not a swarm manager' run swarmctl unlock-key
    fails_with 4 'This node is not a swarm manager' run swarmctl join-token worker
    fails_with 4 'not part of a swarm' run swarmctl leave
}

init() {
    local output
    output=$(run swarmctl init --autolock)
    printf '%s\n' "$output"
    [[ $output == *'Swarm initialized: current node ('*') is now a manager.'* ]]
    [[ $output == *'swarmctl join --token SWMTKN-1-'*':2377'* ]]
    grep -o 'SWMKEY-1-[A-Za-z0-9+/]\{43\}' <<<"$output" >"$KEYS/1"
    is active
    printf 'hunter2-in-clear' | run swarmctl secret create --label team=blue db-password -
    printf 'listen 80;' | run swarmctl config create nginx.conf -
    fails_with 5 'already part of a swarm' run swarmctl init
    fails_with 5 'secret db-password already exists' run swarmctl secret create db-password - <<<x
    fails_with 5 'swarm is not locked' run swarmctl unlock
    expect_text unlock-key run swarmctl keyslot ls
}

locked_texts() {
    start_locked
    local command
    for command in 'secret ls' 'secret inspect db-password' 'secret rm db-password' 'secret create x /etc/passwd' 'config ls' 'node ls' \
        'node inspect self' 'unlock-key' 'unlock-key --rotate' 'update --autolock=false' 'join-token worker' 'join-token --rotate manager' \
        'keyslot ls' 'init'; do
        # shellcheck disable=SC2086 # words
        fails_with 3 "$LOCKED" run swarmctl $command
    done
    fails_with 3 'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.' run swarmctl leave
    run swarmctl info --json | python3 -c 'import json,sys; i = json.load(sys.stdin); assert i["NodeID"] == "" and not i["ControlAvailable"]'
}

wrong_keys() {
    fails_with 7 'invalid key string' run swarmctl unlock <<<garbage
    fails_with 7 'invalid key string' run swarmctl unlock <<<"$(cat "$KEYS/1")="
    fails_with 7 'swarm could not be unlocked: invalid key provided' run swarmctl unlock <<<SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    is locked
}

right_key() {
    unlock_with 1
    is active
    expect_text db-password run swarmctl secret ls
    expect_text team run swarmctl secret inspect db-password
    [[ $(run swarmctl secret inspect db-password) != *hunter2* ]]
    run swarmctl config inspect nginx.conf | python3 -c '
import base64, json, sys
assert base64.b64decode(json.load(sys.stdin)[0]["Spec"]["Data"]) == b"listen 80;"'
    expect_text 'swarm is not locked' bash -c '! "$0" run m1 swarmctl unlock 2>&1' "$SANDBOX"
}

ecosystem_tools() {
    run cryptsetup luksDump /var/lib/swarm-manager/keyslots.luks | grep -q swarm-unlock
    tr -d '\n' <"$KEYS/1" | run cryptsetup open --test-passphrase --key-file - /var/lib/swarm-manager/keyslots.luks
    expect_exit 2 run cryptsetup open --test-passphrase --key-file - /var/lib/swarm-manager/keyslots.luks <<<wrong
}

rotations() {
    local i
    for i in 2 3 4; do
        run swarmctl unlock-key -q --rotate >"$KEYS/$i"
        [[ $(run swarmctl unlock-key -q) == $(<"$KEYS/$i") ]]
        start_locked
        fails_with 7 'invalid key provided' unlock_with $((i - 1))
        unlock_with "$i"
        expect_text db-password run swarmctl secret ls
    done
    run swarmctl keyslot ls --json | python3 -c 'import json,sys; k = json.load(sys.stdin); assert [s["Generation"] for s in k] == [4], k'
}

autolock_twice() {
    local i
    for i in 5 6; do
        expect_text 'Swarm updated.' run swarmctl update --autolock=false
        expect_text 'no unlock key is set' bash -c '! "$0" run m1 swarmctl unlock-key 2>&1' "$SANDBOX"
        expect_text 'cannot rotate because autolock is not turned on' bash -c '! "$0" run m1 swarmctl unlock-key --rotate 2>&1' "$SANDBOX"
        run systemctl restart swarm-manager
        is active
        expect_text db-password run swarmctl secret ls
        run swarmctl update --autolock=true | grep -o 'SWMKEY-1-.*' >"$KEYS/$i"
        start_locked
        fails_with 7 'invalid key provided' unlock_with $((i - 1))
        unlock_with "$i"
        expect_text db-password run swarmctl secret ls
    done
}

join_tokens() {
    local before after
    before=$(run swarmctl join-token -q worker)
    [[ $before =~ ^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$ ]]
    after=$(run swarmctl join-token -q --rotate worker)
    [[ $after != "$before" && ${after:0:60} == "${before:0:60}" ]]
    [[ $(run swarmctl join-token -q worker) == "$after" ]]
    expect_text 'To add a manager to this swarm, run the following command:' run swarmctl join-token manager
}

nodes() {
    expect_text m1 run swarmctl node ls
    run swarmctl node inspect self --json | python3 -c 'import json,sys; json.load(sys.stdin)'
    fails_with 6 'not found' run swarmctl node inspect nobody
}

removal() {
    run swarmctl secret rm db-password
    fails_with 6 'secret db-password not found' run swarmctl secret inspect db-password
    fails_with 6 'not found' run swarmctl config rm nothing
}

leaving() {
    fails_with 1 'Use `--force` to ignore this message.' run swarmctl leave
    start_locked
    expect_text 'Node left the swarm.' run swarmctl leave --force
    is inactive
    [[ -z $(run find /var/lib/swarm-manager -type f -size +0) ]]
    run swarmctl init >/dev/null
    is active
    run systemctl restart swarm-manager
    is active
    run swarmctl leave --force
}

case_ outside-a-swarm outside
case_ init-with-autolock init
case_ every-command-while-locked locked_texts
case_ wrong-and-garbage-keys wrong_keys
case_ right-key right_key
case_ cryptsetup-opens-the-lock ecosystem_tools
case_ rotate-three-times rotations
case_ autolock-off-and-on-twice autolock_twice
case_ join-tokens join_tokens
case_ nodes nodes
case_ removal removal
case_ leave-while-locked leaving
rm -rf "$KEYS"
