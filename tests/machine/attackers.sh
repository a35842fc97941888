# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 4
# alone
# seconds: 600
# shellcheck shell=bash
# Machines that are no members, and thieves: they are refused, the journal tells of it, and the swarm goes on.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

HERE=$(dirname "${BASH_SOURCE[0]}")/swarm.d
UNSEAL=$(<"$HERE/unseal.py")
REFUSED=52bd343d5e3d4141928bc2812b01c592
ROUNDS=5
ROUND_SECONDS=2

unseal() { on "$1" python3 -c "$UNSEAL" "${@:2}"; }
attack() { on m4 nice -n 19 python3 /run/attackers.py "$@"; }
keep() { on m4 sh -c 'umask 077; mkdir -p /run/attack; cat >"/run/attack/$0"' "$1"; }

# m1's journal names the attacker and this reason so often
refusals() { on m1 journalctl -q -o cat "MESSAGE_ID=$REFUSED" | grep -F '10.213.0.4' | grep -c -F -e "$1" || true; }
one_more() { (($(refusals "$1") > $2)) || { echo "no new entry of '$1' in:"; on m1 journalctl -q -o cat "MESSAGE_ID=$REFUSED" | tail; return 1; }; }

# turned_away REASON ARGUMENT…: the manager says nothing to who dials so, hangs up, and its journal has the reason
turned_away() {
    local before
    before=$(refusals "$1")
    attack dial m1:2377 "${@:2}" | tee "$TMP/dial"
    [[ $(tail -n 1 "$TMP/dial") == refused ]] || complain "not refused: ${*:2}" || return
    wait_for 5 one_more "$1" "$before"
}

# What a thief has who copied the disk of that machine: its node's key and certificate, under that name.
steal() {
    unseal "$1" bundle $STATE_FOLDER/creds/keys | json "d['tls_key']" | keep "$2.key"
    on "$1" sh -c "cat \$(ls $STATE_FOLDER/tls/*.pem | grep -v roots)" | keep "$2.pem"
}

swarm() {
    new_swarm m1 m2
    join m3 worker
    on m4 sh -c 'cat >/run/attackers.py' <"$HERE/attackers.py"
    steal m2 manager
    steal m3 worker
    # an own CA with the same names, and the swarm's own
    SWARM=$(on m1 sh -c "openssl x509 -noout -subject -nameopt multiline -in $STATE_FOLDER/tls/roots.pem" | sed -n 's/.*organizationName *= //p')
    attack ca forged --swarm "$SWARM"
    unseal m1 bundle $STATE_FOLDER/creds/keys >"$TMP/m1"
    unseal m1 authority $STATE_FOLDER/raft <"$TMP/m1" >"$TMP/authority"
    json "d['key']" <"$TMP/authority" | keep authority.key
    json "d['certificate']" <"$TMP/authority" | keep authority.pem
    attack certificate wrong-ca --ca forged --swarm "$SWARM" --node "$(node_id m1 m2)" --role swarm-manager
    attack certificate expired --ca authority --swarm "$SWARM" --node "$(node_id m1 m2)" --role swarm-manager --days -40 -1
    attack certificate stranger --ca authority --swarm "$(printf %025d 7)" --node "$(node_id m1 m2)" --role swarm-manager
    # so made, a certificate is good: the others are refused for what is wrong with them
    attack certificate good --ca authority --swarm "$SWARM" --node "$(node_id m1 m2)" --role swarm-manager
    [[ $(attack dial m1:2377 swarm-call/1 --certificate good) == *answered ]]
    [[ $(attack dial m1:2377 swarm-call/1 --certificate worker) == *answered ]]
    # cut off after half a minute, which the other cases do not wait for
    attack unread m1:2377 worker 180 >/dev/null 2>&1 &
}

# The manager tells of 20 refusals in a minute: these cases together have fewer.
wrong_ca() {
    turned_away 'from another CA' swarm-raft/1 --certificate wrong-ca --say raft
}

expired() { turned_away 'certificate has expired' swarm-raft/1 --certificate expired --say raft; }

other_swarm() { turned_away 'not of this swarm' swarm-call/1 --certificate stranger; }

no_certificate() {
    turned_away 'has no certificate' swarm-raft/1 --say raft
    turned_away 'has no certificate' swarm-call/1 --say key
    turned_away 'protocol that is not known' swarm-other/1
    turned_away 'no protocol' none
    turned_away 'does not speak TLS 1.3' swarm-call/1 --certificate good --tls12
}

worker_on_the_raft_port() {
    local before
    turned_away 'may not come in by swarm-raft/1' swarm-raft/1 --certificate worker --say raft
    # by the port that is for it, it does not get the key
    before=$(refusals 'asked what it may not')
    [[ $(attack dial m1:2377 swarm-call/1 --certificate worker --say key | tee /dev/stderr) == *' bytes came, '* ]]
    wait_for 5 one_more 'asked what it may not' "$before"
}

demoted_manager() {
    on m1 swarmctl node demote m2
    wait_for 15 is_worker m2
    turned_away 'may not come in by swarm-raft/1' swarm-raft/1 --certificate manager --say raft
    on m1 swarmctl node promote m2
    wait_for 15 is_manager m2
    wait_for 15 is_reachable m1 m2
}

no_frames() {
    local before
    before=$(refusals 'sends what is no request')
    [[ $(attack dial m1:2377 swarm-call/1 --certificate worker --say junk | tail -n 1) == refused ]]
    wait_for 5 one_more 'sends what is no request' "$before"
}

replayed_join() {
    local nodes before relay
    on m3 swarmctl leave
    on m4 python3 /run/attackers.py relay 2378 m1:2377 /run/attack/kept >"$TMP/relay" &
    relay=$!
    wait_for 10 grep -q ready "$TMP/relay"
    token m1 worker | on m3 swarmctl join --advertise-addr m3 --token - m4:2378
    wait_for 15 is m3 active
    nodes=$(on m1 swarmctl node ls -q | sort)
    wait $relay
    cat "$TMP/relay"
    before=$(refusals 'breaks TLS')
    [[ $(attack replay m1:2377 /run/attack/kept | tee /dev/stderr | tail -n 1) == refused ]]
    wait_for 5 one_more 'breaks TLS' "$before"
    [[ $(on m1 swarmctl node ls -q | sort) == "$nodes" ]]
}

token_of_another_swarm() {
    local digest secret before
    IFS=- read -r _ _ digest secret < <(token m1 manager)
    before=$(refusals 'not of its swarm')
    refused '' on m4 swarmctl join --token "SWMTKN-1-$(printf %050d 7)-$secret" m1:2377
    wait_for 5 one_more 'not of its swarm' "$before" # the joining side hung up, before it sent anything
    before=$(refusals 'no valid join token')
    refused 'A valid join token is necessary' on m4 swarmctl join --token "SWMTKN-1-$digest-$(printf %025d 7)" m1:2377
    wait_for 5 one_more 'no valid join token' "$before"
    is m4 inactive
    [[ $(on m1 swarmctl node ls -q | wc -l) == 3 ]]
}

slow_reader() { wait_for 120 one_more 'takes nothing that is sent to it' 0; }

# changes per second, and how much of a processor the manager takes for them, while a thousand connections at a time go to that port
rate() {
    local flood
    attack flood all "$1" $((ROUND_SECONDS + 3)) 1000 >"$TMP/flood" &
    flood=$!
    wait_for 20 grep -q 'all have come' "$TMP/flood"
    on m1 nice -n -10 python3 -c "$LOAD" $ROUND_SECONDS 8
    wait $flood
    tail -n 1 "$TMP/flood" >>"$TMP/floods"
}

# What others do on these processors comes after the managers, as if they had machines of their own.
first_of_all() {
    local m
    for m in "$@"; do
        # shellcheck disable=SC2016 # expanded inside
        on "$m" sh -ec 'for t in /proc/$(systemctl show -P MainPID swarm-manager)/task/*; do renice -n -10 -p "${t##*/}" >/dev/null; done'
    done
}

# What the attackers' own work costs these machines is no manager's slowness: it is there in each quiet round too, at a port of the
# same machine that is nobody's.
flood() {
    local i sink quiet attacked
    first_of_all m1 m2
    : >"$TMP/rates"
    on m1 sh -c 'cat >/run/attackers.py' <"$HERE/attackers.py"
    on m1 nice -n 19 python3 /run/attackers.py sink 2379 180 >"$TMP/sink" &
    sink=$!
    wait_for 30 grep -q ready "$TMP/sink"
    for ((i = 1; i <= ROUNDS; i++)); do
        ((i % 2)) && quiet=$(rate m1:2379)
        attacked=$(rate m1:2377)
        ((i % 2)) || quiet=$(rate m1:2379)
        echo "$quiet $attacked" >>"$TMP/rates"
    done
    kill $sink || true
    python3 - "$TMP" >"$TMP/figures" 2>&1 <<'END' || { cat "$TMP/figures"; return 1; }
import json, statistics, sys
rounds = [tuple(map(float, line.split())) for line in open(sys.argv[1] + "/rates")]
for line in open(sys.argv[1] + "/floods"):
    print(line.rstrip())
    assert json.loads(line)["most at once"] == 1000, "not a thousand at once"
shares, takes = [], []
for quiet, quiet_cpu, attacked, cpu in rounds:
    shares.append(attacked / quiet)
    takes.append(cpu - attacked * quiet_cpu / quiet)  # beyond what as many changes take without attackers
    print(f"{quiet:.0f} changes/s, attacked {attacked:.0f}: {shares[-1]:.0%}; the attackers take {takes[-1]:.0%} of a processor from the manager")
share, take = statistics.median(shares), statistics.median(takes)
print(f"attacked by 1,000 connections: {share:.0%} of the speed, {take:.0%} of a processor")
assert share >= 0.8, "slower than 80 %"
END
    one_more 'without a finished handshake' 0
    is m1 active
    put m2 after-the-flood
}

TMP=$(mktemp -d)
LOAD=$(<"$HERE/load.py")
case_ a-swarm-and-its-thieves swarm
case_ wrong-ca wrong_ca
case_ expired-certificate expired
case_ certificate-of-another-swarm other_swarm
case_ no-certificate no_certificate
case_ worker-certificate-on-the-raft-port worker_on_the_raft_port
case_ garbage-behind-a-certificate no_frames
case_ token-of-another-swarm token_of_another_swarm
case_ replayed-join replayed_join
case_ demoted-managers-certificate demoted_manager
case_ slow-reader-is-cut-off slow_reader
case_ half-open-garbage-and-slow-connections flood
cat "$TMP/figures"
rm -rf "$TMP"
