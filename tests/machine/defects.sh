# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# The five defects that the reference was seen to have, each shown absent here (facts: "Its defects that we beat").
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

UNSEAL=$(<"$(dirname "${BASH_SOURCE[0]}")/swarm.d/unseal.py")
unseal() { on "$1" python3 -c "$UNSEAL" "${@:2}"; }

# opens MACHINE BUNDLE: how many records on the machine's disk the data keys of that bundle decrypt
opens() { unseal "$1" scan $STATE_FOLDER <"$2" | tee /dev/stderr | json "d['opened']"; }
opens_nothing() { [[ $(opens "$1" "$2") == 0 ]]; }

# 1: after its data key had been rotated, 61 of 67 of its log's records, the CA's key among them, still opened with the old one from the disk.
old_data_keys() {
    local i m
    new_swarm m1 m2 m3
    for i in $(seq 20); do
        put m1 "secret-$i"
    done
    for m in m1 m2 m3; do
        unseal $m bundle $STATE_FOLDER/creds/keys >"$TMP/$m"
    done
    unseal m1 authority $STATE_FOLDER/raft <"$TMP/m1" | json "d['certificate']" >/dev/null # what a thief would have
    (($(opens m1 "$TMP/m1") > 10))
    on m1 swarmctl update --autolock=true >/dev/null
    wait_for 15 same_generation m1
    for m in m1 m2 m3; do
        wait_for 15 opens_nothing $m "$TMP/$m"
    done
    # what is written from now on neither, nor what was before, by keys from between
    on m1 swarmctl update --autolock=false
    for m in m1 m2 m3; do
        wait_for 15 is_open $m
        unseal $m bundle $STATE_FOLDER/creds/keys >"$TMP/$m"
    done
    put m1 between
    on m1 swarmctl update --autolock=true >/dev/null
    wait_for 15 same_generation m1
    for m in m1 m2 m3; do
        wait_for 15 opens_nothing $m "$TMP/$m"
    done
}

# 2: it forgot the key within the process: a worker whose promotion went wrong was locked without having been restarted.
never_locked_without_restart() {
    local delay watch before promotion
    new_swarm --autolock m1 m2
    join m3 worker
    before=$(on m3 systemctl show -P MainPID swarm-manager)
    # shellcheck disable=SC2016 # expanded inside
    "$SANDBOX" run m3 sh -c 'while :; do swarmctl info --json | grep "\"State\""; sleep 0.02; done' >"$TMP/states" &
    watch=$!
    # shellcheck disable=SC2064 # its number of now
    trap "kill $watch" EXIT
    for delay in 0 0.02 0.05 0.1 0.2 0.4; do
        on m1 swarmctl node promote m3 &
        promotion=$!
        sleep $delay
        "$SANDBOX" cut m3
        sleep 1.5
        "$SANDBOX" mend m3
        wait $promotion || on m1 swarmctl node promote m3
        wait_for 30 is_manager m3
        wait_for 10 is_reachable m1 m3
        put m3 "by-m3-after-$delay"
        on m1 swarmctl node demote m3
        wait_for 30 is_worker m3
    done
    sort "$TMP/states" | uniq -c
    expect_exit 1 grep -q locked "$TMP/states"
    expect_exit 1 grep -q error "$TMP/states"
    [[ $(on m3 systemctl show -P MainPID swarm-manager) == "$before" ]] # the same process all the time
}

# 3: a locked swarm that had lost its quorum was lost (moby 36852).
recovery_of_a_locked_swarm() {
    new_swarm --autolock m1 m2 m3
    put m1 kept
    wait_for 10 has m3 kept
    "$SANDBOX" kill m1 m2
    restart_into m3 locked
    within 15 on m3 swarmctl init --force-new-cluster <<<"$KEY"
    ((STATUS == 0))
    is m3 active
    has m3 kept
    put m3 after-recovery
    restart_into m3 locked
    opens_with m3 "$KEY"
    "$SANDBOX" restart m1 m2
}

# 4: unlocking without quorum hung for ten minutes, and held up join, leave and SIGTERM.
nothing_hangs_without_quorum() {
    local begin unlocking
    new_swarm --autolock m1 m2 m3
    "$SANDBOX" kill m2 m3
    restart_into m1 locked
    within 4 unlock m1 "$KEY"
    ((STATUS == 0))
    is m1 pending
    [[ $(info m1 Error) ]]
    within 5 stop m1
    [[ $(on m1 systemctl show -P Result swarm-manager) == success ]]
    start_into m1 locked
    # while one unlocks, and after it
    unlock m1 "$KEY" &
    unlocking=$!
    within 5 on m1 swarmctl join --token "SWMTKN-1-$(printf %050d 7)-$(printf %025d 7)" m2:2377
    ((STATUS))
    wait $unlocking
    within 5 on m1 swarmctl leave --force
    ((STATUS == 0))
    is m1 inactive
    begin=$EPOCHSECONDS
    "$SANDBOX" restart m1 m2 m3
    ((EPOCHSECONDS - begin < 20))
}

# 5: metadata of the log, the workers' tasks and state files were in clear on its disks.
nothing_in_clear() {
    local m word
    new_swarm --autolock m1 m2
    join m3 worker
    printf 'hunter2-in-clear' | on m1 swarmctl secret create --label team-label=blue-value db-password -
    printf 'listen 8080 in clear' | on m1 swarmctl config create nginx.conf -
    on m1 swarmctl node update --label-add rack-label=red-value m3
    restart_into m2 locked
    opens_with m2 "$KEY"
    wait_for 15 is_reachable m1 m2
    for m in m1 m2 m3; do
        # the whole disk: the journal, temporary files and what other programs keep
        on $m sh -c 'find /var /etc /root /tmp /home -xdev -type f -newer /etc/machine-id -print0 | xargs -0 cat' >"$TMP/disk"
        for word in db-password team-label blue-value hunter2-in-clear nginx.conf 'listen 8080' rack-label red-value "${KEY:9}" \
            "$(token m1 manager | cut -d- -f4)" "$(token m1 worker | cut -d- -f4)" 'BEGIN PRIVATE'; do
            ! grep -a -c -F -e "$word" "$TMP/disk" || complain "on $m's disk: $word"
        done
        [[ -z $(on $m find $STATE_FOLDER -perm /077 ! -type l) ]]
        [[ $(on $m find $STATE_FOLDER -type f) ]]
    done
}

TMP=$(mktemp -d)

case_ old-data-keys-open-nothing-any-more old_data_keys
case_ failed-promotion-does-not-lock never_locked_without_restart
case_ locked-swarm-without-quorum-is-recovered recovery_of_a_locked_swarm
case_ nothing-hangs-without-quorum nothing_hangs_without_quorum
case_ nothing-in-clear-on-any-disk nothing_in_clear
rm -rf "$TMP"
