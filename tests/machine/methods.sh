# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# tang: 3
# shellcheck shell=bash
# Every way to unlock, by swarmctl and on real Tang servers.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
state() { run swarmctl info --json | json 'd["State"]'; }
is() { [[ $(state) == "$1" ]]; }
slots() { run swarmctl keyslot ls --json | json "' '.join(str(k['Slot']) for k in d if k['Kind']=='$1')"; }
# Until it is another process that tells its state.
locks() {
    # shellcheck disable=SC2016 # expanded inside
    run sh -ec '
        run_of() { systemctl show -P InvocationID swarm-manager; }
        old=$(run_of)
        systemctl restart --no-block swarm-manager
        for i in $(seq 200); do
            [ "$(run_of)" = "$old" ] || exit 0
            sleep 0.05
        done
        exit 1'
}
thumbprints() {
    for t in "$@"; do
        echo --thumbprint
        echo "$(on "$t" tang-show-keys 80)"
    done
}
asks() { run sh -c 'cat /run/systemd/ask-password/ask.* 2>/dev/null' | grep -q 'swarm node m1'; }

# The manager is active again, and nobody typed anything. Prints how long it took.
unlocks_itself() {
    local from
    from=$(date +%s%3N)
    locks
    wait_for 10 is active
    echo "active after $(($(date +%s%3N) - from)) ms"
}

needs_a_thumbprint() {
    local trust
    expect_exit 2 run swarmctl keyslot add tang http://t1
    not run swarmctl keyslot add tang http://t1 --thumbprint 3ZWS6-cDrCG61UPJS2BMmPU4I54aaaaaaaaaaaaaaaaa
    [[ -z $(slots tang) ]]
    mapfile -t trust < <(thumbprints t1)
    run swarmctl keyslot add tang http://t1 "${trust[@]}"
    [[ -n $(slots tang) ]]
    run swarmctl keyslot ls
}

tang_unlocks() {
    unlocks_itself
    run swarmctl secret ls | grep -q first
    run journalctl -u swarm-manager -o cat -n 5 | grep -q unlocked
    run swarmctl keyslot ls --json | json "[k['Worked'] for k in d if k['Kind']=='tang'][0]" | grep -qv '^0$'
}

network_comes_late() {
    local from late
    run ip link set eth0 down
    locks
    wait_for 10 asks
    sleep 8 # into the longer pauses
    is locked
    from=$(date +%s%3N)
    run ip link set eth0 up
    wait_for 10 is active
    late=$(($(date +%s%3N) - from))
    echo "active $late ms after the network was there"
    ((late < 1500)) # a second, and what looking costs
}

tang_goes_and_comes() {
    on t1 systemctl stop tangd.socket
    locks
    wait_for 10 asks
    sleep 3
    is locked
    on t1 systemctl start tangd.socket
    wait_for 35 is active
    not asks
}

other_secrets_unlock() {
    local recovery slot
    recovery=$(run swarmctl keyslot add -q recovery)
    run swarmctl keyslot add passphrase <<<'correct horse battery staple'
    run systemctl mask --quiet --runtime --now swarm-agent
    locks
    wait_for 10 asks
    expect_text 'recovery' run swarmctl unlock <<<"${recovery^^}"
    is active
    locks
    wait_for 10 asks
    expect_text 'passphrase' run swarmctl unlock <<<'correct horse battery staple'
    is active
    run systemctl unmask --quiet --runtime swarm-agent
    run systemctl start swarm-agent
    slot=$(slots recovery)
    run swarmctl keyslot test "$slot" <<<"$recovery"
    not run swarmctl keyslot test "$slot" <<<"$KEY"
    run swarmctl keyslot test "$(slots tang)"
    [[ $(run journalctl --no-pager -o cat) != *"$recovery"* ]]
}

last_one_stays() {
    local slot
    for slot in $(slots recovery) $(slots passphrase) $(slots tang); do
        run swarmctl keyslot remove "$slot"
    done
    slot=$(slots unlock-key)
    not run swarmctl keyslot remove "$slot" 2>/tmp/refused.$$
    [[ $(run swarmctl keyslot ls --json | json 'len(d)') == 1 ]]
    locks
    wait_for 10 asks
    run swarmctl unlock <<<"$KEY"
}

# A server on t3 that misbehaves, in the place of tangd.
FAKE='import socket,sys,time
mode=sys.argv[1]
s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(("::",80)); s.listen(50)
kept=[]
while True:
    c,_=s.accept()
    if mode=="hung":
        kept.append(c); continue
    try:
        c.recv(65536)
        if mode=="garbage": c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"kty\":1}")
        if mode=="redirect": c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://t1/adv\r\nContent-Length: 0\r\n\r\n")
        if mode=="endless":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
            while True: c.sendall(b"{"*65536)
    except OSError: pass
    c.close()'

two_of_three() {
    local trust
    mapfile -t trust < <(thumbprints t1 t2 t3)
    run swarmctl keyslot add tang http://t1 http://t2 http://t3 --threshold 2 "${trust[@]}"
    unlocks_itself
    on t3 systemctl stop tangd.socket
    unlocks_itself
    for mode in hung garbage redirect endless; do
        on t3 systemd-run --quiet --unit="fake-$mode" python3 -c "$FAKE" "$mode"
        sleep 0.5
        echo "$mode:"
        unlocks_itself
        on t3 systemctl stop "fake-$mode"
    done
    on t3 systemctl start tangd.socket
}

# With two of the three gone, a person is not delayed, and takes over.
person_is_not_delayed() {
    local from
    on t2 systemctl stop tangd.socket
    on t3 systemctl stop tangd.socket
    on t3 systemd-run --quiet --unit=fake-hung python3 -c "$FAKE" hung
    locks
    wait_for 10 asks
    from=$(date +%s%3N)
    run swarmctl unlock <<<"$KEY"
    (($(date +%s%3N) - from < 1000))
    is active
    on t3 systemctl stop fake-hung
    on t2 systemctl start tangd.socket
    on t3 systemctl start tangd.socket
}

rotation_is_followed() {
    local old new
    old=$(slots sss)
    run swarmctl keyslot refresh --check | grep -q current
    on t1 sh -c '/usr/libexec/tangd-rotate-keys -d /var/lib/tang && chown -R _tang: /var/lib/tang'
    [[ $(run swarmctl keyslot refresh --check) != *' current'* ]]
    run swarmctl keyslot ls | grep -q 'rotated'
    unlocks_itself # the old key still works there
    run systemctl start swarm-keyslot-refresh.service
    new=$(slots sss)
    [[ $new && $new != "$old" ]]
    [[ $(run swarmctl keyslot ls) != *rotated* ]]
    on t1 sh -c 'rm -f /var/lib/tang/.*.jwk'
    unlocks_itself
}

# Keys that the old ones do not vouch for are not trusted.
false_server_is_not_trusted() {
    local old
    old=$(slots sss)
    on t1 sh -c 'cd /var/lib/tang && rm -f ./*.jwk ./.*.jwk && /usr/libexec/tangd-keygen . && chown -R _tang: .'
    run swarmctl keyslot refresh || true
    [[ $(slots sss) == "$old" ]]
    unlocks_itself # two others are left
}

run systemctl start swarm-manager
run systemctl enable --now swarm-agent
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
run sh -c 'echo data | swarmctl secret create first -' >/dev/null
case_ "Tang is bound only with a thumbprint" needs_a_thumbprint
case_ "Tang unlocks" tang_unlocks
case_ "the network comes late" network_comes_late
case_ "Tang goes and comes" tang_goes_and_comes
case_ "recovery key and passphrase unlock" other_secrets_unlock
case_ "the last way to unlock stays" last_one_stays
case_ "two of three, one misbehaving" two_of_three
case_ "a person is not delayed" person_is_not_delayed
case_ "a rotated server is bound anew" rotation_is_followed
case_ "a false server is not trusted" false_server_is_not_trusted
