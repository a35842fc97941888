# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# shellcheck shell=bash
# Damage to any file of the manager is refused with a text that names the file; a full disk loses nothing.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

STATE=/var/lib/swarm-manager
COUNT=40

info() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
is() { [[ $(info State) == "$1" ]]; }

# Flips one bit of a file in the machine: flip FILE OFFSET
flip() {
    run python3 -c '
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); b = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([b ^ 0x10]))' "$1" "$2"
}

settled() { is locked || is active || is error || is inactive; }

start() {
    run systemctl start --no-block swarm-manager
    wait_for 15 settled
}

try_unlock() {
    REFUSAL=
    is locked || return 0
    REFUSAL=$(run swarmctl unlock 2>&1 <<<"$KEY") || true
}

secrets() { run swarmctl secret ls -q | wc -l; }

save() {
    run systemctl stop swarm-manager
    run sh -c "rm -rf /root/good; cp -a $STATE /root/good"
}

restore() {
    run systemctl stop swarm-manager
    run systemctl reset-failed swarm-manager || true
    run sh -c "rm -rf $STATE; cp -a /root/good $STATE"
}

# damaged FILE OFFSET: refused, naming the file or its folder and what to do; or repaired with nothing lost
damaged() {
    local file=$1 name=$2 text
    restore
    flip "$file" "$3"
    start
    try_unlock
    if is active; then
        [[ $(secrets) == "$COUNT" ]] || { echo "bit $3 of $file: $(secrets) of $COUNT secrets left, silently"; return 1; }
        return 0
    fi
    text="$(info Error) $REFUSAL"
    echo "bit $3 of $file: $(info State): $text"
    [[ $text == *"$name"* && ($text == *backup* || $text == *--force*) ]]
}

keyslots() {
    local offset
    for offset in 1 70 4200 70000 65536 66000 1048600; do
        damaged $STATE/keyslots.luks keyslots.luks "$offset"
    done
    restore
    run dd if=/dev/urandom of=$STATE/keyslots.luks bs=64k count=2 conv=notrunc status=none
    start
    is error
    [[ $(info Error) == *keyslots.luks*backup* ]]
    run rm $STATE/keyslots.luks
    run systemctl restart swarm-manager
    is error
    [[ $(info Error) == *keyslots.luks*missing* ]]
}

log() {
    local file size
    for file in $(run sh -c "ls -S $STATE/raft" | grep -E '^(open|snapshot|0|metadata)' | head -n 8); do
        size=$(run stat -c %s "$STATE/raft/$file")
        damaged "$STATE/raft/$file" raft $((size > 8192 ? 6000 : size / 2))
        damaged "$STATE/raft/$file" raft $((size > 60000 ? 30000 : size / 3))
    done
}

highwater() {
    damaged $STATE/highwater highwater 9
    restore
    run rm $STATE/highwater
    start
    try_unlock
    is error
    [[ $(info Error) == *highwater* ]]
}

node_json() {
    damaged $STATE/node.json node.json 5
    restore
    run rm $STATE/node.json
    start
    is error
    [[ $(info Error) == *node.json*missing* ]]
    run swarmctl leave --force
    is inactive
}

credential() {
    local offset
    for offset in 10 200; do
        restore
        flip $STATE/creds/keys "$offset"
        expect_exit 1 run systemctl start swarm-manager
        [[ $(run systemctl show -P ExecMainStatus swarm-manager) == 243 ]]
        wait_for 10 sh -c "'$SANDBOX' run m1 journalctl -q -b | grep -q '$STATE/creds/keys.*systemctl clean'"
    done
    restore
    run rm $STATE/creds/keys
    start
    is error
    [[ $(info Error) == *creds/keys*missing* ]]
}

newer_versions() {
    restore
    run sed -i 's/"version": 1/"version": 9/' $STATE/node.json
    start
    is error
    [[ $(info Error) == *newer* ]]
}

intact_after_all() {
    restore
    start
    try_unlock
    is active
    [[ $(secrets) == "$COUNT" ]]
}

full_disk() {
    local i status=0
    restore
    run sh -c "mv $STATE /root/state && mkdir $STATE && mount -t tmpfs -o size=60m,mode=700 tmpfs $STATE && cp -a /root/state/. $STATE && chown --reference=/root/state $STATE"
    start
    try_unlock
    is active
    run sh -c "head -c 1G /dev/zero >$STATE/filler" || true
    for i in $(seq 1 60); do
        head -c 400000 /dev/zero | run swarmctl secret create "big-$i" - || { status=$?; break; }
    done
    echo "secret $i failed with status $status"
    ((status == 1))
    head -c 100 /dev/zero | run timeout 20 swarmctl unlock-key --rotate && echo 'a rotation on a full disk succeeded'
    is active
    run systemctl stop swarm-manager
    start
    try_unlock
    is active
    (($(secrets) == COUNT + i - 1))
    run rm $STATE/filler
    sleep 1
    head -c 400000 /dev/zero | run swarmctl secret create after -
    (($(secrets) == COUNT + i))
    run systemctl stop swarm-manager
    run umount $STATE
    run sh -c "rmdir $STATE; mv /root/state $STATE"
}

run systemctl start swarm-manager
KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
for i in $(seq 1 $COUNT); do
    head -c 3000 /dev/urandom | run swarmctl secret create "s$i" - >/dev/null
done
save

case_ keyslots keyslots
case_ log-and-snapshots log
case_ high-water-mark highwater
case_ node-json node_json
case_ credential credential
case_ newer-versions-are-refused newer_versions
case_ intact-after-all intact_after_all
case_ full-disk full_disk
