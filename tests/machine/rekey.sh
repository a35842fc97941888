# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# tang: 2
# seconds: 1800
# shellcheck shell=bash
# New keys on every manager's disk and for its connections: for an unlock key that others know, and on demand.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

KILLS=${KILLS:-4}
UNSEAL=$(<"$(dirname "${BASH_SOURCE[0]}")/swarm.d/unseal.py")
unseal() { on "$1" python3 -c "$UNSEAL" "${@:2}"; }
slots() { on "$1" swarmctl keyslot ls --json | json "[k['Slot'] for k in d if k['Kind'] == '$2']"; }
rekeyed() { on "$1" swarmctl node ls --json | json "sorted({n['Rekeyed'] for n in d if n['Role'] == 'manager'})"; }
all_rekeyed() { [[ $(rekeyed "$1") == "$2" ]] || { echo "rekeyed: $(rekeyed "$1")"; return 1; }; }
messages() { on "$1" journalctl -q --no-pager -o cat "MESSAGE_ID=$2"; }

# save MACHINE KEY: what somebody has who copied the machine's lock and credential, and knows the key
save() {
    # shellcheck disable=SC2016 # expanded inside
    on "$1" sh -ec '
        rm -rf /root/copied; mkdir -m 700 /root/copied
        cp -a /var/lib/swarm-manager/keyslots.luks /var/lib/swarm-manager/creds/keys /root/copied
        cryptsetup luksDump --batch-mode --dump-volume-key --volume-key-file /root/copied/kek --key-file - /root/copied/keyslots.luks >/dev/null' \
        < <(printf '%s' "$2")
    unseal "$1" bundle /root/copied/keys /root/copied/kek >"$TMP/$1.bundle"
}

# Nothing that is on the machine's disk now opens with that.
saved_opens_nothing() {
    refused 'does not open' unseal "$1" bundle $STATE_FOLDER/creds/keys /root/copied/kek || return
    [[ $(unseal "$1" scan $STATE_FOLDER <"$TMP/$1.bundle" | tee /dev/stderr | json "d['opened']") == 0 ]] || return
    # shellcheck disable=SC2016 # expanded inside
    on "$1" sh -ec '
        ! cryptsetup open --test-passphrase --key-file /dev/stdin /var/lib/swarm-manager/keyslots.luks || exit
        ! cryptsetup open --test-passphrase --volume-key-file /root/copied/kek /var/lib/swarm-manager/keyslots.luks' < <(printf '%s' "$2")
}

rotate_and_rekey() { on "$1" swarmctl unlock-key --rotate --rekey 2>&1 | tee /dev/stderr; }
trust() { on "$1" swarmctl keyslot add tang "http://$2" --thumbprint "$(on "$2" tang-show-keys 80)"; }

compromised_key() {
    local m key output recovery
    new_swarm --autolock m1 m2 m3
    put m1 before
    trust m1 t1
    trust m2 t2
    recovery=$(on m1 swarmctl keyslot add -q recovery)
    start_swtpm m3
    on m3 swarmctl keyslot add tpm2
    for m in m1 m2 m3; do
        save $m "$KEY"
        (($(unseal $m scan $STATE_FOLDER <"$TMP/$m.bundle" | json "d['opened']") > 0)) # which opens what is there now
    done
    on t2 systemctl stop tangd.socket
    output=$(rotate_and_rekey m2)
    key=$(key_in <<<"$output")
    [[ $key && $key != "$KEY" ]]
    for m in m1 m2 m3; do
        [[ $output == *"$m: has new keys"* ]]
        saved_opens_nothing $m "$KEY" # as soon as the command has returned
    done
    [[ $output == *'m1: these ways to unlock it are gone: '*'(recovery): only a person'*'swarmctl keyslot add'* ]]
    [[ $output == *'m2: these ways to unlock it are gone: '*'(tang http://t2): '* && $output != *'m3: these'* ]]
    on m1 swarmctl node inspect m1 | json "d[0]['RekeyLost']" | grep recovery
    [[ $(node m1 m3 RekeyLost) == '' && -z $(slots m1 recovery) && -z $(slots m2 tang) ]]
    messages m1 0a03a8fc715543a2a5c1040e6998c331 | grep recovery
    messages m2 66552d32f14e40fb84d3d25c2b43570a | grep .
    put m3 after # the connections have new certificates
    has m1 after
    for m in m1 m2 m3; do
        on $m systemctl disable --now swarm-agent
        restart_into $m locked
        opens_not_with $m "$KEY"
        opens_with $m "$key"
        wait_for 15 is_reachable m1 $m
    done
    echo "$key" >"$SWARM_KEY_FILE"
    echo "$recovery" >"$TMP/recovery"
}

what_was_carried_over_unlocks() {
    same_swarm
    on m1 systemctl enable --now swarm-agent
    stop m1
    start_into m1 active # by Tang
    restart_into m3 locked
    on m3 swarmctl keyslot test "$(slots_while_locked m3 tpm2)"
    on m3 systemctl enable --now swarm-agent
    wait_for 15 is m3 active # by its TPM
    on m1 systemctl disable --now swarm-agent
    on m3 systemctl disable --now swarm-agent
    restart_into m1 locked
    refused 'invalid key provided' unlock m1 "$(<"$TMP/recovery")"
    opens_with m1 "$KEY"
    on t2 systemctl start tangd.socket
}

slots_while_locked() {
    on "$1" cryptsetup luksDump --dump-json-metadata $STATE_FOLDER/keyslots.luks |
        json "next(t['keyslots'][0] for t in d['tokens'].values() if t['type'] == 'systemd-$2')"
}

# It opens with the key of when it went, then makes new keys; what was on its disk until then opens nothing there.
one_was_away() {
    local key output
    new_swarm --autolock m1 m2 m3
    save m3 "$KEY"
    "$SANDBOX" kill m3
    output=$(rotate_and_rekey m1)
    key=$(key_in <<<"$output")
    [[ $output == *'m3: has no new keys yet'* && $output == *'m2: has new keys'* ]]
    "$SANDBOX" restart m3
    on m3 systemctl start --no-block swarm-manager
    wait_for 20 is m3 locked
    opens_not_with m3 "$key"
    opens_with m3 "$KEY"
    wait_for 30 all_rekeyed m1 1
    saved_opens_nothing m3 "$KEY"
    restart_into m3 locked
    opens_not_with m3 "$KEY"
    opens_with m3 "$key"
}

# With autolock off there is no lock, and the credential opens by itself: what a copy of it opens is gone nevertheless.
on_demand() {
    local m
    new_swarm m1 m2 m3
    put m1 kept
    for m in m1 m2 m3; do
        unseal $m bundle $STATE_FOLDER/creds/keys >"$TMP/$m.bundle"
    done
    expect_text 'm3: has new keys' on m1 swarmctl update --rekey
    for m in m1 m2 m3; do
        [[ $(unseal $m scan $STATE_FOLDER <"$TMP/$m.bundle" | tee /dev/stderr | json "d['opened']") == 0 ]]
        [[ $(unseal $m bundle $STATE_FOLDER/creds/keys | json "d['rekeyed']") == 1 ]]
        restart_into $m active
        wait_for 15 is_reachable m1 $m
        has $m kept
    done
    [[ $(on m2 swarmctl update --rekey --json 2>/dev/null | json "d['Rekey']") == 2 ]]
    all_rekeyed m2 2
    expect_exit 2 on m1 swarmctl unlock-key --rekey
    expect_exit 2 on m1 swarmctl unlock-key --rotate --rekey --old-key-expires 1h
}

# A server that does not answer delays nobody else, and is told as the reason.
dead_server() {
    local lost
    new_swarm --autolock m1
    trust m1 t1
    trust m1 t2
    on t1 systemctl stop tangd.socket
    "$SANDBOX" cut t2 # no answer at all
    within 60 on m1 swarmctl update --rekey
    ((STATUS == 0))
    "$SANDBOX" mend t2
    on t1 systemctl start tangd.socket
    lost=$(node m1 m1 RekeyLost)
    [[ -z $(slots m1 tang) && $lost == *'(tang http://t1): '* && $lost == *'(tang http://t2): '*'timed out'* ]]
    restart_into m1 locked
    opens_with m1 "$KEY"
}

# The power goes on one of three at random moments of a rekey: a key that was shown opens it, it makes an end of it, and its Tang keyslot is there.
power_cuts() {
    local i key keys output victim other
    new_swarm --autolock m1 m2 m3
    trust m1 t1
    trust m2 t1
    trust m3 t1
    put m1 kept
    keys=("$KEY")
    for ((i = 1; i <= KILLS; i++)); do
        victim=m$((RANDOM % 3 + 1))
        other=m$((${victim#m} % 3 + 1))
        on $other swarmctl unlock-key --rotate --rekey >"$TMP/output" 2>&1 &
        output=$!
        sleep "$((RANDOM % 3)).$((RANDOM % 10))"
        "$SANDBOX" kill $victim
        wait $output || true
        key=$(key_in <"$TMP/output") || true
        [[ -z $key ]] || keys+=("$key")
        "$SANDBOX" restart $victim
        wait_for 20 on $victim systemctl start --no-block swarm-manager
        wait_for 20 is $victim locked
        opens_with_one_of $victim "${keys[@]}"
        wait_for 40 up_to_date $other
        [[ $(slots $victim tang) && -z $(on $victim find $STATE_FOLDER -name '*.next*') ]]
        wait_for 20 has $victim kept # a leader may have to be found first
        wait_for 20 on $other swarmctl unlock-key -q
        key=$(on $other swarmctl unlock-key -q)
        [[ ${keys[-1]} == "$key" ]] || keys+=("$key")
    done
}

opens_with_one_of() {
    local machine=$1 i
    shift
    for ((i = $#; i > 0; i--)); do
        ! unlock "$machine" "${!i}" || { wait_for 20 is "$machine" active; return; }
    done
    complain "no key that was shown opens $machine"
}

# Every manager has made new keys as often as the swarm wanted, and none is behind.
up_to_date() {
    [[ $(rekeyed "$1") =~ ^[0-9]+$ && $(generations "$1") =~ ^[0-9]+$ ]] || { echo "rekeyed: $(rekeyed "$1"), generations: $(generations "$1")"; return 1; }
}

TMP=$(mktemp -d)

case_ after-a-rekey-old-key-and-copies-open-nothing compromised_key
case_ what-was-carried-over-unlocks what_was_carried_over_unlocks
case_ one-that-was-away-catches-up one_was_away
case_ rekey-on-demand-with-autolock-off on_demand
case_ dead-servers-do-not-hold-up-a-rekey dead_server
case_ power-cuts-during-rekeys-lock-nobody-out power_cuts
rm -rf "$TMP"
