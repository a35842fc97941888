# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 2
# shellcheck shell=bash
# Services and revisions as people handle them, on two managers. What units get is another test's.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

# fails_with STATUS TEXT COMMAND…
fails_with() {
    local status=$1 text=$2 output actual=0
    shift 2
    output=$("$@" 2>&1) || actual=$?
    printf '%s\n' "$output"
    [[ $actual == "$status" && $output == *"$text"* ]] || complain "wanted exit status $status (got $actual) and: $text"
}

# spec MACHINE EXPRESSION: of what inspect says of service web
spec() { on "$1" swarmctl service inspect web | json "d[0]['Spec']$2"; }

begin() {
    nobody m1 m2
    fails_with 4 'This node is not a swarm manager' on m1 swarmctl service ls
    on m1 swarmctl init
    join m2 manager
    printf one | on m1 swarmctl secret create web.key -
    printf two | on m1 swarmctl secret create db-password -
    printf 'listen 80;' | on m1 swarmctl config create nginx.conf -
    on m1 swarmctl node update --label-add role=web m2
}

create() {
    local id
    id=$(on m2 swarmctl service create web --unit 'web@*.service' --constraint node.labels.role==web --secret web.key:key --config nginx.conf \
        --label team=blue --on-update restart --parallelism 2 --max-age 2h)
    [[ $id =~ ^[0-9a-z]{25}$ ]]
    expect_text 'web@*.service' on m1 swarmctl service ls
    [[ $(on m1 swarmctl service ls -q) == "$id" ]]
    [[ $(spec m1 "['Constraints']") == node.labels.role==web && $(spec m1 "['MaxAge']") == 7200 ]]
    [[ $(spec m1 "['Secrets'][0]['Credential']") == key && $(spec m1 "['Configs'][0]['ConfigName']") == nginx.conf ]]
    [[ $(on m1 swarmctl service inspect "${id:0:10}") == *'"team": "blue"'* ]]
    expect_text 'Services: 1' on m1 swarmctl info
}

refusals() {
    fails_with 5 'service web already exists' on m1 swarmctl service create web --unit web.service
    fails_with 1 'invalid unit "web"' on m1 swarmctl service create other --unit web
    fails_with 1 'KEY==VALUE or KEY!=VALUE' on m1 swarmctl service create other --unit web.service --constraint node.role=worker
    fails_with 1 'node.labels.KEY' on m1 swarmctl service create other --unit web.service --constraint node.color==blue
    fails_with 6 'secret nothing not found' on m1 swarmctl service create other --unit web.service --secret nothing
    fails_with 1 'invalid credential ID' on m1 swarmctl service create other --unit web.service --secret web.key:a/b
    fails_with 1 'too long together' on m1 swarmctl service create other --unit web.service --secret "web.key:$(printf %080d 7)"
    fails_with 1 'invalid name' on m1 swarmctl service create 'o ther' --unit web.service
    fails_with 2 '--unit is missing' on m1 swarmctl service create other
    fails_with 6 'service nothing not found' on m2 swarmctl service inspect nothing
    fails_with 6 'service nothing not found' on m2 swarmctl service update nothing --offline
    fails_with 2 'nothing to update' on m2 swarmctl service update web
}

in_use() {
    fails_with 1 'secret web.key is in use by service web: remove it there first' on m1 swarmctl secret rm web.key
    fails_with 1 'config nginx.conf is in use by service web: remove it there first' on m2 swarmctl config rm nginx.conf
}

update() {
    [[ $(on m1 swarmctl service update web --config-rm nginx.conf --secret-add db-password:db --secret-add web.key:key2 --offline \
        --constraint-add node.role==manager --label-rm team) == web ]]
    [[ $(spec m2 "['Configs']") == '' && $(spec m2 "['Offline']") == True && $(spec m2 "['Labels']") == '{}' ]]
    [[ $(on m2 swarmctl service inspect web | json "[s['Credential'] for s in d[0]['Spec']['Secrets']]") == 'key db key2' ]]
    on m2 swarmctl config rm nginx.conf
    on m2 swarmctl service update web --secret-rm web.key:key2 --secret-rm db-password --offline=false --unit web.service --on-update none
    [[ $(on m1 swarmctl service inspect web | json "[s['Credential'] for s in d[0]['Spec']['Secrets']]") == key ]]
    fails_with 6 'does not grant secret db-password' on m1 swarmctl service update web --secret-rm db-password
    on m1 swarmctl secret rm db-password
    on m1 swarmctl service enable web
    [[ $(spec m2 "['Enabled']") == True ]]
    on m2 swarmctl service disable web
    [[ $(spec m1 "['Enabled']") == False ]]
}

# where no unit has loaded anything yet, the constraints say which nodes are meant
ps_() {
    local nodes
    nodes=$(on m1 swarmctl service ps web --json | json "[u['Hostname'] for u in d]")
    [[ $nodes == m2 ]] || complain "service web is on: $nodes"
    expect_text m2 on m2 swarmctl service ps web
    on m1 swarmctl node update --label-rm role m2
    [[ $(on m1 swarmctl service ps web --json) == '[]' ]]
    on m1 swarmctl node update --label-add role=web m2
    on m1 swarmctl service update web --constraint-rm node.labels.role==web --constraint-add 'node.hostname != m2'
    [[ $(on m1 swarmctl service ps web --json | json "[u['Hostname'] for u in d]") == m1 ]]
}

revisions() {
    local i
    for i in 1 2 3; do
        [[ $(printf 'hunter%s' "$i" | on "m$((i % 2 + 1))" swarmctl secret update web.key) == "$i" ]]
    done
    on m2 swarmctl secret inspect web.key | json "d[0]['Revision']" | grep -qx 3
    [[ $(on m2 swarmctl secret inspect web.key) != *hunter* ]]
    expect_text REVISION on m1 swarmctl secret ls
    printf 'a' | on m1 swarmctl config create page -
    [[ $(printf 'b' | on m1 swarmctl config update page --json | json "d['Revision']") == 1 ]]
    [[ $(on m2 swarmctl config inspect page | json "d[0]['Spec']['Data']") == Yg== ]]
    fails_with 6 'secret nothing not found' on m1 swarmctl secret update nothing - <<<x
    fails_with 1 'has no rollout that was stopped' on m1 swarmctl service update web --retry
    # after a restart all is as it was
    restart_into m1 active
    on m1 swarmctl secret inspect web.key | json "d[0]['Revision']" | grep -qx 3
    [[ $(spec m1 "['Unit']") == web.service ]]
}

removal() {
    [[ $(on m1 swarmctl service rm web) == web ]]
    [[ $(on m2 swarmctl service ls -q) == '' ]]
    on m2 swarmctl secret rm web.key
}

locked() {
    local key
    key=$(on m1 swarmctl update --autolock=true | key_in)
    stop m1
    start m1
    wait_for 15 is m1 locked
    fails_with 3 'needs to be unlocked' on m1 swarmctl service ls
    fails_with 3 'needs to be unlocked' on m1 swarmctl service create other --unit web.service
    fails_with 3 'needs to be unlocked' on m1 swarmctl secret update page - <<<x
    opens_with m1 "$key"
}

case_ outside-and-begin begin
case_ create-list-inspect create
case_ refusals-say-what-is-allowed refusals
case_ what-is-in-use-stays in_use
case_ update-on-either-manager update
case_ ps-follows-constraints ps_
case_ revisions revisions
case_ removal removal
case_ locked locked
