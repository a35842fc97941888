# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# The lock and the key of three managers: the reference's acceptance list where it concerns several nodes, and rotation that waits.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

rotate() { on "$1" swarmctl unlock-key --rotate -q "${@:2}" 2>/dev/null; }

down_when_autolock_goes_on() {
    local key
    new_swarm m1 m2 m3
    stop m3
    key=$(on m1 swarmctl update --autolock=true | key_in)
    start_into m3 active # its disk knows of no lock yet
    wait_for 15 same_generation m1
    restart_into m3 locked
    opens_with m3 "$key"
    restart_into m1 locked
    opens_with m1 "$key"
}

turned_off_with_one_locked() {
    local m
    new_swarm --autolock m1 m2 m3
    restart_into m3 locked
    on m1 swarmctl update --autolock=false
    is m3 locked
    opens_with m3 "$KEY"
    wait_for 15 is_open m3
    for m in m3 m1 m2; do
        restart_into "$m" active
    done
}

# Each version of the key bundle that a machine's disk ever had, as far as looking every few milliseconds sees it.
BUNDLES='
mkdir -p /run/bundles
while :; do
    f=$(stat -c %i /var/lib/swarm-manager/creds/keys 2>/dev/null) && [ ! -e /run/bundles/$f ] && cp /var/lib/swarm-manager/creds/keys /run/bundles/$f
done'

# The KEK is in a bundle exactly if bit 0 of its flags is set (docs/FORMATS.md).
bundles_in_clear() {
    # shellcheck disable=SC2016 # expanded inside
    on "$1" sh -c 'n=0; for f in /run/bundles/*; do
        flags=$(systemd-creds decrypt --name=swarm_keys "$f" - | od -An -tu1 -j8 -N1)
        [ $((flags % 2)) = 0 ] || n=$((n + 1)); done; echo $n $(ls /run/bundles | wc -l)'
}

new_manager_is_never_locked_on_joining() {
    local clear seen watch states
    new_swarm --autolock m1
    "$SANDBOX" run m2 bash -c "$BUNDLES" &
    watch=$!
    # shellcheck disable=SC2064 # its number of now
    trap "kill $watch" EXIT
    # shellcheck disable=SC2016 # expanded inside
    "$SANDBOX" run m2 sh -c 'for i in $(seq 100); do swarmctl info --json | grep "\"State\""; done' >"$TMP" &
    states=$!
    join m2 manager
    wait $states
    sort "$TMP" | uniq -c
    expect_exit 1 grep -q locked "$TMP"
    grep -q active "$TMP"
    wait_for 15 same_generation m1
    read -r clear seen < <(bundles_in_clear m2)
    echo "$seen bundles seen, $clear of them in clear"
    ((seen > 0 && clear == 0)) # never in clear on its disk
    restart_into m2 locked
    opens_with m2 "$KEY"
}

worker_promoted_demoted() {
    new_swarm --autolock m1 m2
    join m3 worker
    restart_into m3 active
    on m1 swarmctl node promote m3
    wait_for 15 is_manager m3
    wait_for 15 same_generation m1
    restart_into m3 locked
    opens_with m3 "$KEY"
    wait_for 15 is_reachable m1 m3
    on m1 swarmctl node demote m3
    wait_for 15 is_worker m3
    restart_into m3 active
    wait_for 10 bash -c '! "$0" run m3 test -e /var/lib/swarm-manager/keyslots.luks' "$SANDBOX"
    [[ -z $(on m3 find $STATE_FOLDER/raft -type f 2>/dev/null) ]]
    crash m3
    wait_for 15 is m3 active
}

rotated_three_times() {
    local i m old=$KEY key
    new_swarm --autolock m1 m2 m3
    key=$KEY
    for i in 1 2 3; do
        old=$key
        key=$(rotate m$i)
        [[ $key == SWMKEY-1-* && $key != "$old" ]]
        for m in m2 m3; do
            restart_into $m locked
            opens_not_with $m "$old"
            opens_with $m "$key"
        done
    done
    restart_into m1 locked
    opens_not_with m1 "$old"
    opens_with m1 "$key"
}

on_and_off_twice() {
    local i m key
    new_swarm m1 m2 m3
    for i in 1 2; do
        key=$(on m$i swarmctl update --autolock=true | key_in)
        wait_for 15 same_generation m1
        for m in m2 m3; do
            restart_into $m locked
            [[ $i == 1 ]] || opens_not_with $m "$old"
            opens_with $m "$key"
        done
        old=$key
        on m$((i + 1)) swarmctl update --autolock=false
        wait_for 15 is_open m2
        wait_for 15 is_open m3
        for m in m2 m3; do
            restart_into $m active
        done
    done
}

# When the command has returned, nobody takes the old key, however soon: moby 53315, 38885, 28240.
rotation_waits() {
    local i key old
    new_swarm --autolock m1 m2 m3
    key=$KEY
    for i in 1 2 3 4; do
        old=$key
        key=$(rotate m1)
        same_generation m2
        crash m3
        wait_for 15 is m3 locked
        opens_not_with m3 "$old"
        opens_with m3 "$key"
    done
    # each manager is told of
    expect_text m2 on m1 swarmctl unlock-key --rotate
    wait_for 15 same_generation m1
    expect_text m3 on m1 swarmctl unlock-key --rotate
}

one_unlock_key() { [[ $(on "$1" swarmctl keyslot ls --json | json "[s['State'] for s in d if s['Kind'] == 'unlock-key']") == active ]]; }

# What is shown when one is away, what that one takes, and what it has afterwards
rotation_while_one_is_away() {
    local key output
    new_swarm --autolock m1 m2 m3
    stop m3
    output=$(on m1 timeout 60 swarmctl unlock-key --rotate 2>&1)
    printf '%s\n' "$output"
    key=$(key_in <<<"$output")
    [[ $key && $output == *m3* ]] # named as one that has not
    [[ $(node m1 m3 KeyGeneration) -lt $(node m1 m1 KeyGeneration) ]]
    unlocks_with_either m2 "$KEY" "$key"
    start_into m3 locked
    opens_not_with m3 "$key"
    opens_with m3 "$KEY"
    wait_for 15 same_generation m1
    wait_for 15 one_unlock_key m3
    wait_for 15 one_unlock_key m2
    restart_into m3 locked
    opens_not_with m3 "$KEY"
    opens_with m3 "$key"
    restart_into m2 locked # all have confirmed, so the old one is gone here too
    opens_not_with m2 "$KEY"
    opens_with m2 "$key"
}

unlocks_with_either() {
    local key
    for key in "${@:2}"; do
        restart_into "$1" locked
        opens_with "$1" "$key"
        wait_for 15 is_reachable m1 "$1"
    done
}

old_key_expires() {
    local key
    new_swarm --autolock m1 m2 m3
    stop m3
    key=$(rotate m1 --old-key-expires 2s)
    sleep 4
    restart_into m2 locked
    opens_not_with m2 "$KEY"
    opens_with m2 "$key"
    wait_for 15 is_reachable m1 m2
    start_into m3 locked
    opens_with m3 "$KEY" # all that its own disk has
    wait_for 15 same_generation m1
}

prompt_names_the_generation() {
    new_swarm --autolock m1 m2 m3
    rotate m1 >/dev/null
    restart_into m2 locked
    wait_for 10 on m2 sh -c 'grep -h ^Message= /run/systemd/ask-password/ask.* | grep -i "generation 2\|key 2"'
    on m2 swarmctl info | grep -qx " Key Generation: 2"
}

TMP=$(mktemp)
old=

case_ down-when-autolock-goes-on down_when_autolock_goes_on
case_ turned-off-with-one-locked turned_off_with_one_locked
case_ new-manager-is-never-locked-on-joining new_manager_is_never_locked_on_joining
case_ worker-unlocked-promoted-locks-demoted-never worker_promoted_demoted
case_ rotated-three-times-two-followers-restart rotated_three_times
case_ autolock-on-and-off-twice-three-managers on_and_off_twice
case_ rotation-is-over-when-it-says-so rotation_waits
case_ rotation-while-one-is-away rotation_while_one_is_away
case_ old-key-expires old_key_expires
case_ prompt-names-the-generation prompt_names_the_generation
rm -f "$TMP"
