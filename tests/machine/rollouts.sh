# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# seconds: 900
# shellcheck shell=bash
# What services do to units: drop-ins on the nodes that have the service, and new data that reaches their units a node at a time.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

# A unit that tells in /run/web.log what it was started with and when, and does not like "bad-HOSTNAME".
WEB='
mkdir -p /usr/local/lib
cat >/usr/local/lib/web <<"END"
#!/bin/sh
password=$(cat "$CREDENTIALS_DIRECTORY/pw")
echo "$(date +%s.%N) $password" >>/run/web.log
[ "$password" != "bad-$(hostname)" ] || [ -e /run/web.mended ] || exit 3
exec sleep infinity
END
cat >/usr/local/lib/web-reloaded <<"END"
#!/bin/sh
echo "$(date +%s.%N) $(cat "$CREDENTIALS_DIRECTORY/pw")" >>/run/web.reloads
END
chmod +x /usr/local/lib/web /usr/local/lib/web-reloaded
cat >/etc/systemd/system/web.service <<"END"
[Service]
ExecStart=/usr/local/lib/web
ExecReload=/usr/local/lib/web-reloaded
END
printf "[Service]\nExecStart=sleep infinity\n" >/etc/systemd/system/other.service
systemctl daemon-reload
rm -f /run/web.log /run/web.reloads /run/web.mended'

# One request to the helper, as the manager's user could make it.
ASK='
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("/run/swarm-helpers/units.sock")
s.send(b"\1" + sys.argv[1].encode() + sys.argv[2].encode())
print(s.recv(70000)[1:].decode())'
ask() { on "$1" setpriv --reuid=swarm-manager --regid=swarm-manager --clear-groups python3 -c "$ASK" "$2" "$3"; }

DROP_IN=/etc/systemd/system/web.service.d/50-swarm-web.conf
has_drop_in() { on "$1" test -e $DROP_IN; }
knows_drop_in() { [[ $(on "$1" systemctl show -P DropInPaths web.service) == *$DROP_IN* ]]; }
has_no_drop_in() { ! on "$1" test -e $DROP_IN 2>/dev/null; }

started_with() { on "$1" sed -n '$s/.* //p' /run/web.log; }
was_started_with() { [[ $(started_with "$1") == "$2" ]] || { echo "$1's web was started with $(started_with "$1"), not $2"; return 1; }; }
is_started_with() { wait_for 5 was_started_with "$@"; } # systemctl does not wait until it has told
starts() { on "$1" cat /run/web.log | wc -l; }
rollout() { on "$1" swarmctl service inspect web | json "d[0]['Rollout']['State']"; }
rollout_is() { [[ $(rollout "$1") == "$2" ]] || { on "$1" swarmctl service inspect web; return 1; }; }
in_order() { on m1 swarmctl node ls --json | json "[n['Hostname'] for n in sorted(d, key=lambda n: n['ID'])]"; }
told() { on "$1" journalctl -b -u swarm-manager -o cat | grep -F "$2"; }
update() { printf %s "$2" | on "$1" swarmctl secret update "${@:3}" pw -; }

a_manager_and_two_workers() {
    local m
    for m in m1 m2 m3; do
        on "$m" sh -ec "$WEB"
    done
    new_swarm m1
    join m2 worker
    join m3 worker
    printf first | on m1 swarmctl secret create pw -
}

drop_ins_on_granted_nodes_only() {
    on m2 sh -ec 'mkdir -p /etc/systemd/system/web.service.d /etc/systemd/system/other.service.d
        printf "[Unit]\nDescription=mine\n" >/etc/systemd/system/web.service.d/10-mine.conf
        printf "[Unit]\nDescription=mine\n" >/etc/systemd/system/other.service.d/50-swarm-other.conf'
    on m1 swarmctl node update --label-add tier=web m2
    on m1 swarmctl node update --label-add tier=web m3
    on m1 swarmctl service create --unit web.service --constraint node.labels.tier==web --secret pw web
    sleep 2
    has_no_drop_in m2
    on m1 swarmctl service enable web
    wait_for 15 has_drop_in m2
    wait_for 15 has_drop_in m3
    has_no_drop_in m1
    on m2 cat $DROP_IN
    [[ $(on m2 grep -v '^#' $DROP_IN) == $'[Service]\nLoadCredential=pw:/run/swarm-manager/credentials.sock' ]]
    [[ $(on m2 stat -c '%U %a' $DROP_IN) == 'root 644' ]]
    wait_for 5 told m2 'written for web'
    on m2 systemctl start web # without a daemon-reload by hand
    is_started_with m2 first
    on m1 swarmctl node update --label-rm tier m3
    wait_for 15 has_no_drop_in m3
    on m3 test ! -e /etc/systemd/system/web.service.d
    on m1 swarmctl service disable web
    wait_for 15 has_no_drop_in m2
    on m2 test -e /etc/systemd/system/web.service.d/10-mine.conf
    [[ $(on m2 cat /etc/systemd/system/other.service.d/50-swarm-other.conf) == *mine ]]
    on m2 systemctl is-active web
    on m2 sh -ec 'rm -r /etc/systemd/system/*.service.d/*mine* /etc/systemd/system/other.service.d; systemctl stop web'
}

patterns_that_have_drop_ins() {
    on m1 swarmctl service create --unit 'web@*.service' --secret pw instances
    on m1 swarmctl service create --unit 'web-*.service' --secret pw beginning
    on m1 swarmctl service create --unit 'w*b.service' --secret pw others
    on m1 swarmctl service create --unit systemd-tmpfiles-clean.service --secret pw:tmpfiles.extra system
    on m1 swarmctl service enable instances beginning
    refused 'all instances of a template (web@*.service)' on m1 swarmctl service enable others
    refused 'by hand' on m1 swarmctl service enable system
    wait_for 15 on m3 test -e /etc/systemd/system/web@.service.d/50-swarm-instances.conf -a -e /etc/systemd/system/web-.service.d/50-swarm-beginning.conf
    on m1 swarmctl service rm instances beginning others system
    wait_for 15 on m3 test ! -e /etc/systemd/system/web@.service.d -a ! -e /etc/systemd/system/web-.service.d
}

helper_refuses() {
    on m2 systemctl start other
    refused_by() { local reply; reply=$(ask "$@"); echo "$reply"; [[ $reply == [ri]* ]]; }
    local before
    before=$(on m2 systemctl show -p MainPID other dbus systemd-journald)
    refused_by m2 u '{"unit":"other.service","how":"restart"}'
    refused_by m2 u '{"unit":"*.service","how":"restart"}'
    refused_by m2 u '{"unit":"systemd-journald.service","how":"restart"}'
    refused_by m2 u '{"unit":"../other.service","how":"restart"}'
    refused_by m2 u '{"unit":"other.service","how":"stop"}'
    refused_by m2 d '{"services":[{"name":"../../x","unit":"other.service","credentials":["a"]}]}'
    refused_by m2 d '{"services":[{"name":"x","unit":"other.service","credentials":["a"],"more":"User=root"}]}'
    ask m2 d '{"services":[{"name":"x","unit":"systemd-tmpfiles-clean.service","credentials":["tmpfiles.extra"]},{"name":"y","unit":"y.service","credentials":["a\nUser=root"]}]}' |
        sed 's/^+//' | tee /dev/stderr | json "len(d['failed'])" | grep -x 2
    [[ $(on m2 systemctl show -p MainPID other dbus systemd-journald) == "$before" ]]
    [[ -z $(on m2 find /etc/systemd/system -name '50-swarm-*') ]]
    [[ $(ask m2 s '{"units":["other.service","web.service","none.service"]}') == '+{"active":["other.service"]}' ]]
    refused 'Permission denied' on m2 setpriv --reuid=nobody --regid=nogroup --clear-groups python3 -c "$ASK" s '{"units":[]}'
    on m2 systemctl stop other
}

web_on_all_nodes() {
    local m
    on m1 swarmctl service rm web
    for m in m1 m2 m3; do
        wait_for 15 has_no_drop_in $m
    done
    on m1 swarmctl service create --unit web.service --secret pw --on-update "$1" --parallelism "${2:-1}" web
    on m1 swarmctl service enable web
    for m in m1 m2 m3; do
        wait_for 15 knows_drop_in $m
        on $m rm -f /run/web.log /run/web.reloads
        on $m systemctl restart web
    done
}

restarted_one_by_one() {
    local m output
    web_on_all_nodes restart
    output=$(update m1 second)
    echo "$output"
    wait_for 60 rollout_is m1 'done'
    for m in m1 m2 m3; do
        is_started_with $m second
        (($(starts $m) == 2))
        told $m 'Units were restarted or reloaded'
    done
    told m1 'A rollout is done. Service web: 3 nodes.'
    # each was seen to do well for two seconds before the next began
    for m in m1 m2 m3; do on $m tail -n 1 /run/web.log; done | sort | tee /dev/stderr |
        awk 'NR > 1 && $1 - last < 2 { exit 1 } { last = $1 }'
}

reloaded_one_by_one() {
    local m
    web_on_all_nodes reload
    update m1 third
    wait_for 60 rollout_is m1 'done'
    for m in m1 m2 m3; do
        (($(starts $m) == 1))
        (($(on $m cat /run/web.reloads | wc -l) == 1))
    done
    for m in m1 m2 m3; do on $m cat /run/web.reloads; done | sort | tee /dev/stderr | awk 'NR > 1 && $1 - last < 2 { exit 1 } { last = $1 }'
}

left_alone() {
    local m
    web_on_all_nodes none
    update m1 fourth
    sleep 5
    for m in m1 m2 m3; do
        (($(starts $m) == 1))
        is_started_with $m third
        on $m systemctl restart web
        is_started_with $m fourth
    done
}

stops_at_the_first_failure() {
    local order
    web_on_all_nodes restart
    read -ra order < <(in_order)
    echo "order: ${order[*]}"
    refused "${order[1]}" update m1 "bad-${order[1]}"
    wait_for 60 rollout_is m1 stopped
    is_started_with "${order[0]}" "bad-${order[1]}"
    on "${order[0]}" systemctl is-active web
    is_started_with "${order[1]}" "bad-${order[1]}"
    is_started_with "${order[2]}" fourth
    on m1 swarmctl service inspect web | tee /dev/stderr | grep -F 'exit status 3'
    told m1 'A rollout was stopped'
    told "${order[1]}" 'web.service: it failed soon after (exit-code, exit status 3)'
    # those that were not reached keep what they have, however they start
    on "${order[2]}" systemctl restart web
    is_started_with "${order[2]}" fourth
    "$SANDBOX" restart "${order[2]}"
    wait_for 30 is "${order[2]}" active
    wait_for 30 on "${order[2]}" systemctl start web
    is_started_with "${order[2]}" fourth
    [[ ${order[2]} != m1 ]] || wait_for 30 is_reachable m1 m1
    wait_for 30 node_is m1 m2 Status ready
    wait_for 30 node_is m1 m3 Status ready
}

# What failed begins once more; who has it already is not restarted again.
goes_on_when_it_is_told_to() {
    local order before m
    read -ra order < <(in_order)
    before=$(starts "${order[0]}")
    on "${order[1]}" touch /run/web.mended
    on "${order[1]}" systemctl start web
    is_started_with "${order[1]}" "bad-${order[1]}"
    on m1 swarmctl service update --retry web
    wait_for 60 rollout_is m1 'done'
    for m in m1 m2 m3; do
        is_started_with $m "bad-${order[1]}"
    done
    (($(starts "${order[0]}") == before))
}

# An update that mends a failed one: a unit that is not running is not started by it, and loads the newest when it is.
mended_by_the_next_update() {
    local order m
    read -ra order < <(in_order)
    on "${order[1]}" rm /run/web.mended
    on "${order[1]}" sh -c 'systemctl restart web; sleep 0.5; systemctl is-failed web'
    update m1 fifth
    wait_for 60 rollout_is m1 'done'
    is_started_with "${order[0]}" fifth
    is_started_with "${order[1]}" "bad-${order[1]}"
    is_started_with "${order[2]}" fifth
    on "${order[1]}" systemctl start web
    is_started_with "${order[1]}" fifth
}

nodes_that_are_down_are_passed_over() {
    "$SANDBOX" kill m3
    wait_for 20 node_is m1 m3 Status down
    update m1 sixth
    wait_for 60 rollout_is m1 'done'
    is_started_with m2 sixth
    "$SANDBOX" restart m3
    wait_for 30 is m3 active
    on m3 rm -f /run/web.log
    wait_for 30 on m3 systemctl start web
    is_started_with m3 sixth
    wait_for 30 node_is m1 m3 Status ready
}

gone_with_the_swarm() {
    on m3 swarmctl leave
    wait_for 20 has_no_drop_in m3
    on m1 swarmctl node rm --force m2
    wait_for 30 has_no_drop_in m2
    has_drop_in m1
}

goes_on_under_another_leader() {
    local m first lead
    new_swarm m1 m2 m3
    printf first | on m1 swarmctl secret create pw -
    on m1 swarmctl service create --unit web.service --secret pw --on-update restart web
    on m1 swarmctl service enable web
    for m in m1 m2 m3; do
        wait_for 15 knows_drop_in $m
        on $m rm -f /run/web.log
        on $m systemctl restart web
    done
    lead=$(leader m1)
    for m in m1 m2 m3; do [[ $m == "$lead" ]] || first=$m; done
    update "$first" second --detach
    # as soon as one node has restarted, the leader's manager dies, and stays dead for a while
    wait_for 30 bash -c 'for m in m1 m2 m3; do ! "$0" run $m grep -q second /run/web.log || exit 0; done; exit 1' "$SANDBOX"
    on "$lead" systemctl kill --signal=KILL --kill-whom=main swarm-manager
    wait_for 90 rollout_is "$first" 'done'
    [[ $(leader "$first") ]]
    for m in m1 m2 m3; do
        wait_for 30 is_started_with $m second
    done
}

case_ a-manager-and-two-workers a_manager_and_two_workers
case_ drop-ins-on-granted-nodes-only drop_ins_on_granted_nodes_only
case_ patterns-that-have-drop-ins patterns_that_have_drop_ins
case_ helper-refuses helper_refuses
case_ restarted-one-by-one restarted_one_by_one
case_ reloaded-one-by-one reloaded_one_by_one
case_ left-alone left_alone
case_ stops-at-the-first-failure stops_at_the_first_failure
case_ goes-on-when-it-is-told-to goes_on_when_it_is_told_to
case_ mended-by-the-next-update mended_by_the_next_update
case_ nodes-that-are-down-are-passed-over nodes_that_are_down_are_passed_over
case_ gone-with-the-swarm gone_with_the_swarm
case_ goes-on-under-another-leader goes_on_under_another_leader
