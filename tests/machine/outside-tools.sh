# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# tang: 1
# shellcheck shell=bash
# cryptsetup, systemd-cryptenroll and clevis work on the live lock, and are killed there, while the manager changes it, too.
# ROUNDS: how many (25); SEED: of the chances (1).
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

LOCK=/var/lib/swarm-manager/keyslots.luks
HERE=$(dirname "${BASH_SOURCE[0]}")

state() { run swarmctl info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["State"])'; }
is() { [[ $(state) == "$1" ]] || { echo "state is $(state), not $1"; return 1; }; }
slots() { run swarmctl keyslot ls --json | python3 -c 'import json,sys; print(*(k["Slot"] for k in json.load(sys.stdin) if k["Kind"] == sys.argv[1]))' "$1"; }
rotate() { run sh -c 'swarmctl unlock-key -q --rotate >/root/key'; }

# Locked, and opened again by the key that the operator holds.
reopen() {
    run systemctl stop swarm-manager
    run systemctl start --no-block swarm-manager
    wait_for 10 is locked
    run sh -c 'swarmctl unlock </root/key'
    wait_for 10 is active
}

cryptsetup_tool() {
    run sh -c "tr -d '\n' </root/key >/root/bare; printf %s 'what root typed' >/root/operator
        cryptsetup luksAddKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /root/bare $LOCK /root/operator"
    [[ $(slots passphrase) == 1 ]]
    rotate
    run cryptsetup open --test-passphrase --key-file /root/operator $LOCK
    run sh -c "printf other >/root/other; cryptsetup luksAddKey -q --key-slot 5 --pbkdf-memory 32768 --pbkdf-force-iterations 4 --key-file /root/operator $LOCK /root/other"
    [[ $(slots passphrase) == '1 5' ]]
    rotate
    run cryptsetup luksKillSlot -q --key-file /root/operator $LOCK 5
    [[ $(slots passphrase) == 1 ]]
    rotate
}

cryptenroll_tool() {
    local slot
    run sh -c "systemd-cryptenroll --unlock-key-file=/root/operator --recovery-key $LOCK >/root/recovery"
    slot=$(slots recovery)
    rotate
    run sh -c "tr -d '\n' </root/recovery | cryptsetup open --test-passphrase --key-slot $slot --key-file - $LOCK"
    run systemd-cryptenroll $LOCK
    run systemd-cryptenroll --wipe-slot="$slot" $LOCK
    [[ -z $(slots recovery) ]]
    rotate
}

clevis_tool() {
    local slot
    run clevis luks bind -y -k /root/operator -d $LOCK tang '{"url":"http://t1"}'
    slot=$(slots tang)
    rotate
    expect_text 'http://t1' run clevis luks list -d $LOCK
    run clevis luks report -d $LOCK -s "$slot"
    run sh -c "clevis luks pass -d $LOCK -s $slot | cryptsetup open --test-passphrase --key-slot $slot --key-file - $LOCK"
    rotate
    run clevis luks unbind -f -d $LOCK -s "$slot"
    [[ -z $(slots tang) ]]
    rotate
}

killed_tools() {
    run sh -c 'cat >/root/outsider.py' <"$HERE/outside-tools.d/outsider.py"
    run python3 /root/outsider.py "${ROUNDS:-25}" "${SEED:-1}"
}

still_whole() {
    is active
    reopen
    run swarmctl secret ls | grep -q first
    run sh -c 'cat >/root/check.py; python3 /root/check.py' <<'PYTHON'
import json, subprocess
for slot, secret in json.load(open("/root/bindings")).items():
    subprocess.run(["cryptsetup", "open", "--test-passphrase", "--key-slot", slot, "--key-file", "-", "/var/lib/swarm-manager/keyslots.luks"],
                   input=secret.encode(), check=True)
PYTHON
    rotate
    reopen
}

run systemctl mask --runtime --now swarm-agent # nobody but the operator unlocks here
run systemctl start swarm-manager
run sh -c "swarmctl init --autolock | grep -o 'SWMKEY-1-.*' >/root/key; echo data | swarmctl secret create first -" >/dev/null

case_ "cryptsetup on the live lock" cryptsetup_tool
case_ "systemd-cryptenroll on the live lock" cryptenroll_tool
case_ "clevis on the live lock" clevis_tool
case_ "restart after other tools" reopen
case_ "tools killed while the manager works" killed_tools
case_ "every binding still opens" still_whole
