# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# Who is in the swarm, who joins and who goes, and who leads.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

bad_join_tokens() {
    local good stale digest secret n
    new_swarm m1
    nobody m2
    good=$(token m1 manager)
    for n in garbage "${good}x" "${good:0:80}" "SWMTKN-2${good:8}" "${good^^}"; do
        refused 'invalid join token' on m2 swarmctl join --token - m1:2377 <<<"$n"
    done
    IFS=- read -r _ _ digest secret <<<"$good"
    refused 'A valid join token is necessary' on m2 swarmctl join --token "SWMTKN-1-$digest-$(printf %025d 7)" m1:2377
    stale=$good
    good=$(on m1 swarmctl join-token -q --rotate manager)
    refused 'A valid join token is necessary' on m2 swarmctl join --token - m1:2377 <<<"$stale"
    # of another swarm: the joining side finds out, before it has sent anything
    refused '' on m2 swarmctl join --token "SWMTKN-1-$(printf %050d 7)-$secret" m1:2377
    is m2 inactive
    wiped m2
    [[ $(on m1 swarmctl node ls -q | wc -l) == 1 ]]
    on m2 swarmctl join --token - m1:2377 <<<"$good"
    wait_for 15 is m2 active
    refused 'already part of a swarm' on m2 swarmctl join --token - m1:2377 <<<"$good"
    refused 'already part of a swarm' on m2 swarmctl init
}

last_manager() {
    new_swarm m1
    join m2 worker
    refused 'attempting to demote the last manager' on m1 swarmctl node demote m1
    refused 'This node is not a swarm manager' on m2 swarmctl secret ls
    refused 'This node is not a swarm manager' on m2 swarmctl node ls
}

removal_is_refused() {
    new_swarm m1 m2
    join m3 worker
    refused 'must be demoted to worker before removal' on m1 swarmctl node rm m2
    refused 'must be demoted to worker before removal' on m1 swarmctl node rm --force m2
    refused 'not down' on m1 swarmctl node rm m3
    refused 'not found' on m1 swarmctl node rm nothing
}

# continues: m3 is a worker
removed_node_wipes_itself() {
    local id
    put m1 kept
    id=$(node_id m1 m3)
    on m2 swarmctl node rm --force m3
    [[ $(on m1 swarmctl node ls -q) != *$id* ]]
    wait_for 20 is m3 inactive
    wiped m3
    # one that was off when it was removed learns it when it comes back
    join m3 worker
    [[ $(node_id m1 m3) != "$id" ]]
    stop m3
    wait_for 30 node_is m1 m3 Status down
    on m1 swarmctl node rm m3
    start m3
    wait_for 30 is m3 inactive
    wiped m3
    has m2 kept
}

worker_leaves() {
    new_swarm m1 m2
    join m3 worker
    expect_text 'Node left the swarm.' on m3 swarmctl leave
    is m3 inactive
    wiped m3
    wait_for 30 node_is m1 m3 Status down
    on m1 swarmctl node rm m3
}

manager_leaves() {
    new_swarm --autolock m1 m2 m3
    refused 'Use `--force`' on m3 swarmctl leave
    is m3 active
    within 10 on m3 swarmctl leave --force
    ((STATUS == 0))
    is m3 inactive
    wiped m3
    put m1 after-one-left # two of two managers, or of three: a majority
    has m2 after-one-left
    join m3 manager
    has m3 after-one-left
}

stop_hands_over() {
    local from to start spent
    new_swarm m1 m2 m3
    for to in 1 2 3; do
        from=$(leader m1)
        [[ $from == m1 ]] && to=m2 || to=m1
        stop "$from"
        start=$EPOCHREALTIME
        put $to "after-$from-$EPOCHSECONDS"
        spent=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000))
        echo "$from stopped; $to took a secret $spent ms later"
        ((spent < 800)) # an election would take 1 to 2 s
        start_into "$from" active
        wait_for 15 is_reachable $to "$from"
    done
}

any_manager_takes_any_command() {
    local m c k
    new_swarm --autolock m1 m2 m3
    for m in m2 m3; do
        put $m "by-$m"
        has m1 "by-$m"
        on $m swarmctl secret inspect "by-$m"
        printf 'listen 80;' | on m1 swarmctl config create "for-$m" -
        expect_text Data on $m swarmctl config inspect "for-$m"
        on $m swarmctl secret rm "by-$m"
        refused 'not found' on m1 swarmctl secret inspect "by-$m"
        refused 'already exists' on $m swarmctl config create "for-$m" - <<<x
        [[ $(on $m swarmctl join-token -q --rotate worker) == $(token m1 worker) ]]
        k=$(on $m swarmctl unlock-key --rotate -q 2>/dev/null)
        [[ $(on m1 swarmctl unlock-key -q) == "$k" ]]
        on $m swarmctl node update --label-add "seen=$m" --availability drain m1
        expect_text "$m" on m1 swarmctl node inspect self
        node_is m1 m1 Availability drain
        on $m swarmctl node update --label-rm seen --availability active m1
        [[ $(on m1 swarmctl node inspect self) != *seen* ]]
        on $m swarmctl update --autolock=false
        refused 'no unlock key is set' on m1 swarmctl unlock-key
        on $m swarmctl update --autolock=true >/dev/null
    done
    on m2 swarmctl node demote m3
    wait_for 15 is_worker m3
    refused 'This node is not a swarm manager' on m3 swarmctl secret ls
    on m2 swarmctl node promote m3
    wait_for 15 is_manager m3
    put m3 again-a-manager
    # the leader itself
    c=$(leader m2)
    [[ $c == m2 ]] && k=m3 || k=m2
    on "$k" swarmctl node demote "$c"
    wait_for 15 put "$k" the-leader-was-demoted
    on "$k" swarmctl node promote "$c"
    wait_for 15 is_manager "$c"
}

ca_rotates() {
    local before after
    new_swarm m1 m2
    join m3 worker
    before=$(token m1 manager)
    on m2 swarmctl ca --rotate
    after=$(token m1 manager)
    [[ ${after:0:59} != "${before:0:59}" ]] # the token pins the new one
    restart_into m2 active
    wait_for 15 is_reachable m1 m2
    wait_for 30 node_is m1 m3 Status ready
    on m3 swarmctl leave
    refused '' on m3 swarmctl join --token - m1:2377 <<<"$before"
    is m3 inactive
    join m3 manager
    put m3 after-the-rotation
}

case_ bad-join-tokens bad_join_tokens
case_ the-last-manager-stays last_manager
case_ removal-of-managers-and-live-nodes-is-refused removal_is_refused
case_ removed-node-is-told-and-wipes-itself removed_node_wipes_itself
case_ worker-leaves worker_leaves
case_ manager-leaves manager_leaves
case_ stop-of-the-leader-hands-over stop_hands_over
case_ any-manager-takes-any-command any_manager_takes_any_command
case_ ca-rotates ca_rotates
