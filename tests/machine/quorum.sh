# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# What is left to do when most managers are gone, and when all are.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

lose_quorum() {
    new_swarm --autolock m1 m2 m3
    put m1 kept
    wait_for 10 has m1 kept
    crash m2
    stop m2 m3
}

# continues for three cases: m2 and m3 stay off, and locked
unlock_without_quorum() {
    lose_quorum
    within 12 on m1 swarmctl secret create in-vain - <<<x
    ((STATUS))
    within 5 stop m1
    start_into m1 locked
    within 4 unlock m1 "$KEY"
    ((STATUS == 0))
    is m1 pending
    [[ $(info m1 Error) =~ [Qq]uorum|managers|leader ]]
    within 3 on m1 swarmctl info
    within 5 on m1 swarmctl join --token "SWMTKN-1-$(printf %050d 7)-$(printf %025d 7)" m2:2377
    ((STATUS))
    within 15 on m1 swarmctl secret ls
    is m1 pending
}

stop_without_quorum() {
    local _
    same_swarm
    for _ in 1 2; do
        within 5 stop m1
        [[ $(on m1 systemctl show -P Result swarm-manager) == success ]]
        start_into m1 locked
        within 4 unlock m1 "$KEY"
        is m1 pending
    done
    within 5 on m1 systemctl restart --no-block swarm-manager
    wait_for 10 is m1 locked
    within 4 unlock m1 "$KEY"
}

quorum_comes_back() {
    same_swarm
    is m1 pending
    start_into m2 locked
    within 4 unlock m2 "$KEY"
    wait_for 15 is m1 active
    wait_for 15 is m2 active
    has m1 kept
    stop m2
    within 5 on m1 swarmctl leave --force # without quorum again
    ((STATUS == 0))
    is m1 inactive
    wiped m1
}

force_new_cluster_when_locked() {
    lose_quorum
    restart_into m1 locked
    refused 'invalid key' on m1 swarmctl init --force-new-cluster <<<"SWMKEY-1-$(head -c 32 /dev/zero | base64 | tr -d =)"
    is m1 locked
    within 15 on m1 swarmctl init --force-new-cluster <<<"$KEY"
    ((STATUS == 0))
    is m1 active
    has m1 kept
    put m1 after-recovery
    [[ $(leader m1) == m1 ]]
    restart_into m1 locked # the lock was not lost with the quorum
    opens_with m1 "$KEY"
    has m1 after-recovery
    nobody m2
    join m2 manager
    has m2 kept
    start_into m3 locked # the old swarm's leftover does no harm: it is told, or stays alone
    unlock m3 "$KEY" || true
    put m1 beside-a-leftover
}

force_new_cluster_when_pending() {
    lose_quorum
    restart_into m1 locked
    unlock m1 "$KEY"
    is m1 pending
    within 15 on m1 swarmctl init --force-new-cluster <<<"$KEY"
    ((STATUS == 0))
    has m1 kept
    put m1 after-recovery
    within 10 on m1 swarmctl unlock-key --rotate -q >"$TMP" # does not wait for the dead
    restart_into m1 locked
    opens_with m1 "$(<"$TMP")"
}

begins_with_a_snapshot() {
    on "$1" sh -c "ls $STATE_FOLDER/raft | tee /dev/stderr | grep -q ^snapshot- && ! ls $STATE_FOLDER/raft | grep -q ^0*1-"
}

# Its log does not have what was first any more.
force_new_cluster_from_a_snapshot() {
    nobody m1 m2 m3
    small_snapshots 16 m1 m2 m3
    new_swarm --autolock m1 m2 m3
    # shellcheck disable=SC2016 # expanded inside
    on m1 sh -ec 'for i in $(seq 60); do head -c 100 /dev/urandom | swarmctl secret create "kept-$i" -; done' >/dev/null
    begins_with_a_snapshot m1
    crash m2
    stop m2 m3
    restart_into m1 locked
    within 15 on m1 swarmctl init --force-new-cluster <<<"$KEY"
    ((STATUS == 0))
    has m1 kept-1
    has m1 kept-60
    put m1 after-recovery
    restart_into m1 locked
    opens_with m1 "$KEY"
    has m1 after-recovery
    nobody m2
    join m2 manager # which gets the snapshot
    has m2 kept-1
}

backup_and_restore() {
    new_swarm --autolock m1 m2
    put m1 kept
    printf 'listen 80;' | on m1 swarmctl config create nginx.conf -
    on m2 swarmctl backup --force /root/backup
    [[ $(on m2 stat -c %a /root/backup) == 600 ]]
    on m2 cat /root/backup >"$TMP"
    expect_exit 1 grep -a -F -q -e kept -e 'listen 80' -e nginx.conf -e BEGIN -e "${KEY:9}" "$TMP"
    put m1 after-the-backup
    nobody m1 m2 m3
    on m3 sh -c 'umask 077; cat >/root/backup' <"$TMP"
    expect_exit 7 on m3 swarmctl restore /root/backup <<<"SWMKEY-1-$(head -c 32 /dev/zero | base64 | tr -d =)"
    is m3 inactive
    head -c 2000 "$TMP" | on m3 sh -c 'cat >/root/cut-short'
    refused '' on m3 swarmctl restore /root/cut-short <<<"$KEY"
    is m3 inactive
    on m3 swarmctl restore /root/backup <<<"$KEY"
    wait_for 10 is m3 active
    has m3 kept
    expect_text Data on m3 swarmctl config inspect nginx.conf
    expect_exit 6 on m3 swarmctl secret inspect after-the-backup
    put m3 new
    restart_into m3 locked
    opens_with m3 "$KEY"
    join m1 manager m3
    has m1 new
}

TMP=$(mktemp)

case_ unlock-without-quorum-is-pending-at-once unlock_without_quorum
case_ stop-without-quorum-does-not-block stop_without_quorum
case_ quorum-comes-back-and-leave-without-it quorum_comes_back
case_ force-new-cluster-from-a-locked-manager force_new_cluster_when_locked
case_ force-new-cluster-from-a-pending-manager force_new_cluster_when_pending
case_ force-new-cluster-from-a-snapshot force_new_cluster_from_a_snapshot
case_ backup-and-restore-on-a-new-machine backup_and_restore
rm -f "$TMP"
