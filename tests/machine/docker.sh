# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 2
# tang: 1
# alone
# seconds: 1800
# shellcheck shell=bash
# Docker Engine with autolock, unlocked with nobody there. KILLS=50 for as many kills of the agent around rotations, STOPS=30 for as many stops of the Engine.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

KILLS=${KILLS:-6}
STOPS=${STOPS:-3}
LOCK=/var/lib/swarm-agent/docker.luks
QUESTION='enter the unlock key of Docker Engine on m1'
KEYS=$(mktemp)
trap 'rm -f "$KEYS" "$KEYS.refused"; ((CASES_FAILED == 0)) || exit 1' EXIT

state() { on "$1" docker info --format '{{.Swarm.LocalNodeState}}'; }
is() { [[ $(state m1) == "$1" ]]; }
node_ls() { run docker node ls >/dev/null; }
asks() { run sh -c 'cat /run/systemd/ask-password/ask.* 2>/dev/null' | grep -q "$1"; }
asks_not() { ! asks "$QUESTION"; }
tang() { on t1 systemctl "$1" tangd.socket; }
now_ms() { date +%s%3N; }
# Every key there ever was, to look for them in the end.
key() { run docker swarm unlock-key -q | tee -a "$KEYS"; }
rotate() { on "${1:-m1}" docker swarm unlock-key --rotate -q | tee -a "$KEYS" >/dev/null; }
# The lock opens with the key in force, which was stored before that.
is_stored() { run sh -c "docker swarm unlock-key -q | tr -d '\n' | cryptsetup open --test-passphrase --key-file - $LOCK"; }
begin() { SINCE=$(run date +%s.%N); }
entries() { run sh -c "journalctl --quiet --output cat --unit swarm-agent-docker --since '@$SINCE' | grep -c '$1' || true"; }
has_entries() { [[ $(entries "$2") == "$1" ]]; }

use_docker() {
    for m in m1 m2; do
        on "$m" sh -c 'echo "DOCKER_OPTS=\"--iptables=false --bridge=none --ip-forward=false\"" >/etc/default/docker'
        # restarted more often than its own unit lets
        on "$m" sh -c 'mkdir -p /etc/systemd/system/docker.service.d && printf "[Unit]\nStartLimitIntervalSec=0\n" >/etc/systemd/system/docker.service.d/test.conf'
        on "$m" systemctl daemon-reload
        on "$m" systemctl enable --now --quiet docker
    done
    run docker swarm init --autolock --advertise-addr 10.213.0.1 >/dev/null
    run systemctl enable --now --quiet swarm-agent-docker
}

# From the first answer of the Engine until it is active, and nobody typed anything.
unlocks_itself() {
    local took
    begin
    # shellcheck disable=SC2016 # expanded inside
    took=$(run sh -ec 'systemctl restart docker
        from=$(date +%s%3N)
        until docker node ls >/dev/null 2>&1; do
            [ $(($(date +%s%3N) - from)) -lt 60000 ]
            sleep 0.05
        done
        echo $(($(date +%s%3N) - from))')
    echo "active $took ms after the Engine answered"
    TOOK=$took
    wait_for 10 has_entries 1 'Unlocked Docker Engine by keyslot'
    asks_not
}

# Whatever else the machine does, one of a few is as fast as it should be.
in_time() {
    for _ in 1 2 3 4 5; do
        unlocks_itself
        ((TOOK >= 2000)) || return 0
    done
    complain "no restart within 2 s"
}

enrolls() {
    expect_exit 6 run swarmctl docker keyslot ls
    run swarmctl docker enroll
    run swarmctl docker enroll # again changes nothing
    key >/dev/null
    run swarmctl docker keyslot add tang http://t1 --thumbprint "$(on t1 tang-show-keys 80)"
    run swarmctl docker keyslot ls
    run swarmctl docker keyslot test "$(tang_slot)"
    expect_text 'Unlock key: stored' run swarmctl docker status
    [[ $(run stat -c %a "$LOCK" /var/lib/swarm-agent/creds/keys | sort -u) == 600 ]]
    run systemd-analyze security --no-pager --threshold=15 swarm-agent-docker >/dev/null
}

power_cut() {
    "$SANDBOX" kill m1
    "$SANDBOX" restart m1
    wait_for 20 node_ls
    run systemctl is-active swarm-agent-docker
}

rotated_here() {
    rotate
    wait_for 30 is_stored
    unlocks_itself
    rotate
    rotate
    wait_for 30 is_stored
    unlocks_itself
}

rotated_elsewhere() {
    local token
    token=$(run docker swarm join-token -q manager)
    on m2 docker swarm join --token "$token" 10.213.0.1:2377
    rotate m2
    wait_for 30 is_stored
    unlocks_itself
    run docker node demote m2
    wait_for 30 on m2 docker swarm leave
    wait_for 30 is_stored
}

autolock_off_and_on() {
    run docker swarm update --autolock=false >/dev/null
    begin
    run systemctl restart docker
    wait_for 30 node_ls
    has_entries 0 Unlocked
    run docker swarm update --autolock=true >/dev/null
    key >/dev/null
    wait_for 30 is_stored
    unlocks_itself
}

another_swarm() {
    run docker swarm leave --force
    run docker swarm init --autolock --advertise-addr 10.213.0.1 >/dev/null
    key >/dev/null
    wait_for 30 is_stored
    unlocks_itself
}

# Nobody saw the rotation: the stored key is given once, then a person is asked, who is told why.
unknown_key() {
    run systemctl stop swarm-agent-docker
    rotate
    begin
    run systemctl restart docker
    run systemctl start swarm-agent-docker
    wait_for 30 asks "refuses the stored key. Please $QUESTION"
    sleep 4
    has_entries 1 'refuses the stored unlock key'
    tail -n 1 "$KEYS" | run swarmctl docker unlock
    wait_for 30 node_ls
    asks_not
    wait_for 30 is_stored
    unlocks_itself
}

person_types() {
    tang stop
    run systemctl restart docker
    wait_for 30 asks "Please $QUESTION"
    sleep 2
    is locked
    begin
    type_at_prompt m1 'systemd-tty-ask-password-agent --query' "Please $QUESTION" "$(tail -n 1 "$KEYS")"
    wait_for 30 node_ls
    asks_not
    wait_for 10 has_entries 1 'Unlocked Docker Engine by the prompt'
    tang start
    unlocks_itself
}

tang_slot() { run swarmctl docker keyslot ls --json | python3 -c 'import json,sys; print([k["Slot"] for k in json.load(sys.stdin) if k["Kind"] == "tang"][0])'; }
has_rotated() { run swarmctl docker keyslot ls | grep -q rotated; }
timer_runs() { run systemctl is-active swarm-agent-docker-refresh.timer; }

timer_rests() { ! timer_runs; }

rotated_tang() {
    local old new
    timer_runs
    old=$(tang_slot)
    run swarmctl docker keyslot refresh | grep -q current
    on t1 sh -c '/usr/libexec/tangd-rotate-keys -d /var/lib/tang && chown -R _tang: /var/lib/tang'
    run swarmctl docker keyslot refresh --check "$old" | grep -q rotated
    has_rotated
    [[ $(tang_slot) == "$old" ]]
    expect_exit 6 run swarmctl docker keyslot refresh 3 # there is none
    run systemctl start swarm-agent-docker-refresh.service
    new=$(tang_slot)
    [[ $new != "$old" ]]
    not has_rotated
    on t1 sh -c 'rm -f /var/lib/tang/.*.jwk'
    unlocks_itself
    tang stop
    expect_exit 1 run swarmctl docker keyslot refresh
    [[ $(tang_slot) == "$new" ]]
    run systemctl restart docker
    wait_for 30 asks "$QUESTION"
    expect_exit 3 run swarmctl docker keyslot refresh
    run systemctl start swarm-agent-docker-refresh.service # another day
    tang start
    wait_for 35 node_ls
    wait_for 5 asks_not
    run systemctl stop swarm-agent-docker
    wait_for 5 timer_rests
    run systemctl start swarm-agent-docker
    timer_runs
    unlocks_itself
}

# The key was typed that nobody has stored, and Tang comes only later: then it is stored.
typed_is_stored_later() {
    run systemctl stop swarm-agent-docker
    rotate
    tang stop
    run systemctl restart docker
    run systemctl start swarm-agent-docker
    wait_for 30 asks "$QUESTION"
    expect_exit 7 run swarmctl docker unlock <<<SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    tail -n 1 "$KEYS" | run swarmctl docker unlock
    wait_for 30 node_ls
    not is_stored
    tang start
    wait_for 35 is_stored
    unlocks_itself
}

other_secrets() {
    local recovery
    recovery=$(run swarmctl docker keyslot add -q recovery)
    run swarmctl docker keyslot add passphrase <<<'correct horse battery staple'
    expect_exit 2 run swarmctl docker keyslot add fido2
    tang stop
    for secret in "${recovery^^}" 'correct horse battery staple'; do
        run systemctl restart docker
        wait_for 30 asks "$QUESTION"
        run swarmctl docker unlock <<<"$secret"
        wait_for 30 node_ls
    done
    tang start
    [[ $(run journalctl --no-pager -o cat) != *"$recovery"* ]]
    expect_exit 5 run swarmctl docker unlock </dev/null
}

agent_killed() {
    local i
    for ((i = 0; i < KILLS; i++)); do
        (sleep "0.0$((RANDOM % 10))" && rotate) &
        sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
        run systemctl kill --signal KILL swarm-agent-docker
        wait
        wait_for 60 is_stored || { run journalctl --no-pager --unit swarm-agent-docker --lines 30; return 1; } # a busy machine is slow at it
        unlocks_itself >/dev/null
        run systemctl reset-failed swarm-agent-docker
    done
}

refuses_to_start_it() {
    not run swarmctl docker enroll 2>"$KEYS.refused"
    grep 'docker.service is stopped; start it with "systemctl start docker"' "$KEYS.refused"
}

follows_docker() {
    local i
    run systemctl kill --signal KILL docker
    wait_for 20 node_ls
    run systemctl is-active swarm-agent-docker
    for ((i = 0; i < STOPS; i++)); do
        sleep "0.$((RANDOM % 10))" # the agent may be asking the Engine
        run systemctl stop docker.service
        refuses_to_start_it
        sleep 1.5
        not run systemctl is-active docker # nothing has connected to its socket
        run systemctl start docker
        wait_for 30 node_ls
    done
}

# In ms, in the next 10 s.
cpu_time() {
    local before
    before=$(run systemctl show -P CPUUsageNSec swarm-agent-docker)
    sleep 10
    echo $((($(run systemctl show -P CPUUsageNSec swarm-agent-docker) - before) / 1000000))
}

# It is told once, costs nothing while it lasts, and ends by itself. What the agent cannot reach, people's docker can.
is_told_once() {
    local took
    wait_for 40 has_entries 1 "$1"
    expect_text "$1" run swarmctl docker status
    took=$(cpu_time)
    echo "$took ms of processor time in 10 s"
    ((took < 100))
    has_entries 1 "$1"
    asks_not
}

may_not_connect() {
    begin
    run chown nobody: /run/docker.sock
    run systemctl restart docker
    is locked
    is_told_once 'may not connect to /run/docker.sock'
    is locked
    run chown root:docker /run/docker.sock
    wait_for 10 node_ls
    wait_for 10 has_entries 1 'Unlocked Docker Engine by keyslot'
}

# The Engine is there and says nothing: as an agent finds it that starts then.
hung() {
    run systemctl kill --signal STOP docker
    begin
    run systemctl restart swarm-agent-docker
    is_told_once 'does not answer within 5 s'
    run systemctl kill --signal CONT docker
    wait_for 40 has_entries 1 'answers again'
    wait_for 10 is_stored
    unlocks_itself
}

sleeps() {
    local pid calls
    pid=$(run systemctl show -P MainPID swarm-agent-docker)
    sleep 6 # after a change it looks for a while
    calls=$(run sh -c "timeout 20 strace -f -p $pid -o /run/agent.strace; grep -c '(' /run/agent.strace")
    echo "$calls calls in 20 s"
    ((calls <= 8)) # those that its threads sleep in
    run grep VmRSS "/proc/$pid/status"
}

keeps_quiet() {
    local key all
    # shellcheck disable=SC2016 # expanded inside
    all=$(run sh -c 'journalctl --no-pager --quiet --output export; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ /run/swarm-agent/* /run/systemd/ask-password/* 2>/dev/null | tr "\0" "\n"
        cat /var/lib/swarm-agent/creds/keys /var/lib/swarm-agent/docker.json; strings -n 40 /var/lib/swarm-agent/docker.luks' 2>/dev/null)
    [[ $(sort -u "$KEYS" | wc -l) -gt 5 ]]
    while read -r key; do
        [[ $all != *"${key#SWMKEY-1-}"* ]] || complain "a key is told" || return
    done <"$KEYS"
}

forgets() {
    run swarmctl docker forget
    not run test -e "$LOCK"
    not run test -e /var/lib/swarm-agent/creds/keys
    run systemctl restart docker
    sleep 2
    is locked
    asks_not
    tail -n 1 "$KEYS" | run swarmctl docker enroll
    wait_for 30 node_ls
    expect_text 'Unlock key: stored' run swarmctl docker status
}

use_docker
case_ "the key is enrolled and bound to Tang" enrolls
case_ "a restart needs nobody" in_time
case_ "a power cut needs nobody" power_cut
case_ "a rotation here is followed" rotated_here
case_ "a rotation on another manager is followed" rotated_elsewhere
case_ "autolock off and on is followed" autolock_off_and_on
case_ "another swarm is followed" another_swarm
case_ "an unknown key: a person is told why, once" unknown_key
case_ "Tang down: a person types" person_types
case_ "a typed key is stored when Tang is back" typed_is_stored_later
case_ "a rotated Tang server is bound anew, daily" rotated_tang
case_ "recovery key and passphrase unlock" other_secrets
case_ "the agent is killed around rotations" agent_killed
case_ "it follows Docker, and does not start it" follows_docker
case_ "the Engine's socket refuses the agent" may_not_connect
case_ "the Engine is hung" hung
case_ "sleeps while idle" sleeps
case_ "no key is told anywhere" keeps_quiet
case_ "forgets" forgets
