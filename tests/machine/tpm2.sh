# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# tang: 1
# shellcheck shell=bash
# swarm-token@ with the TPM of a machine, over its socket.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"

KEPT=$(mktemp -d)
CLIENT='
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("/run/swarm-helpers/token.sock")
s.send(b"\1" + sys.argv[1].encode() + sys.stdin.buffer.read())
sys.stdout.buffer.write(s.recv(70000)[1:])
'

# ask USER OPERATION: the body comes on standard input; the reply's letter and body go to standard output.
ask() { run runuser -u "$1" -- python3 -c "$CLIENT" "$2"; }

# gives OPERATION BODY: keeps the reply's body.
gives() {
    ask swarm-manager "$1" <"$2" >"$KEPT/reply"
    [[ $(head -c 1 "$KEPT/reply") == + ]] || { cat "$KEPT/reply"; return 1; }
    tail -c +2 "$KEPT/reply" >"$KEPT/body"
}

# refuses LETTER TEXT OPERATION BODY
refuses() {
    local text
    text=$(ask swarm-manager "$3" <"$4" | tr -d '\0')
    printf '%s\n' "$text"
    [[ ${text:0:1} == "$1" && $text == *"$2"* ]]
}

enroll() {
    printf '{"kind":"tpm2"%s}' "${1:+,\"pcrs\":\"$1\"}" >"$KEPT/request"
    gives e "$KEPT/request"
    tr '\0' '\n' <"$KEPT/body" >"$KEPT/lines"
    head -n 1 "$KEPT/lines" >"$KEPT/token"
    tail -n +2 "$KEPT/lines" >"$KEPT/passphrase"
    [[ $(wc -c <"$KEPT/passphrase") == 44 ]]
}

opens() {
    gives o "$KEPT/token"
    cmp "$KEPT/body" "$KEPT/passphrase"
}

without_a_tpm() {
    echo '{"kind":"tpm2"}' >"$KEPT/request"
    refuses r 'no TPM' e "$KEPT/request"
    run swarmctl init # seals to the machine's key
    run swarmctl leave --force
}

enrolls_and_opens() {
    start_swtpm m1
    enroll 7+11
    opens
    opens
}

others_may_not_ask() {
    expect_exit 1 ask nobody o <"$KEPT/token"
    ask root o <"$KEPT/token" | head -c 1 | grep -q '+'
}

nothing_is_told() {
    run journalctl --no-pager -q >"$KEPT/journal"
    grep -q 'New TPM2 token enrolled' "$KEPT/journal" # what systemd-cryptenroll says comes through
    expect_exit 1 grep -F -f "$KEPT/passphrase" "$KEPT/journal"
    expect_exit 1 run grep -r -F "$(<"$KEPT/passphrase")" /tmp /var/tmp /run
}

changed_pcr() {
    tpm m1 tpm2_pcrextend "11:sha256=$(printf '5a%.0s' {1..32})"
    refuses r 'PCRs 7+11 differ' o "$KEPT/token"
    run journalctl --no-pager -q -u 'swarm-token@*' | grep 'Failed to unseal'
}

restart() {
    "$SANDBOX" restart m1
    opens # the PCRs are as they were
}

another_tpm() {
    new_swtpm m1
    refuses r "another machine's" o "$KEPT/token"
    enroll
    opens
}

# Clients share the TPM, and none leaves anything behind.
many() {
    local i
    for i in 1 2 3 4 5 6; do
        ask swarm-manager o <"$KEPT/token" >"$KEPT/reply-$i" &
    done
    wait
    for i in 1 2 3 4 5 6; do
        cmp <(echo -n + && cat "$KEPT/passphrase") "$KEPT/reply-$i"
    done
    expect_exit 0 run sh -c '! systemctl --failed | grep swarm-token'
}

json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
is() { [[ $(run swarmctl info --json | json 'd["State"]') == "$1" ]]; }
slot_of() { run swarmctl keyslot ls --json | json "' '.join(str(k['Slot']) for k in d if k['Kind']=='$1')"; }
opened_last() { run journalctl --no-pager -q -o json -u swarm-manager -n 40 | json_lines | tail -n 1; }
json_lines() { python3 -c 'import json,sys
for line in sys.stdin:
    d = json.loads(line)
    if d.get("MESSAGE_ID") == "23a81d435aeb4995948edcabad17342c": print(d["SWARM_KEYSLOT"])'; }

manager_is_unlocked() {
    run systemctl enable --now swarm-agent
    KEY=$(run swarmctl init --autolock | grep -o 'SWMKEY-1-.*')
    printf '%s' "$KEY" >"$KEPT/key"
    run swarmctl keyslot add tpm2 --pcrs 11
    run systemctl restart swarm-manager
    is active
    [[ $(opened_last) == "$(slot_of tpm2)" ]]
    run swarmctl keyslot ls
}

# From the question to an active manager.
falls_through() {
    local from took
    run swarmctl keyslot add tang http://t1 --trust-first
    tpm m1 tpm2_pcrextend "11:sha256=$(printf 'a5%.0s' {1..32})"
    from=$(date +%s%3N)
    run systemctl restart swarm-manager
    took=$(($(date +%s%3N) - from))
    echo "active after $took ms"
    is active
    ((took < 3000))
    [[ $(opened_last) == "$(slot_of tang)" ]]
    wait_for 5 tells_why
}

# The agent, or when Tang was faster than the TPM's refusal, the helper.
tells_why() { run journalctl --no-pager -q -u swarm-agent -u 'swarm-token@*' | grep -E 'PCRs 11 differ|Failed to unseal'; }

is_sealed_to_anew() {
    local old
    old=$(slot_of tpm2)
    expect_exit 7 run swarmctl keyslot test "$old"
    run swarmctl keyslot refresh --automatic
    [[ $(slot_of tpm2) == "$old" ]] # never without a person
    run swarmctl keyslot refresh
    [[ $(slot_of tpm2) != "$old" ]]
    run swarmctl keyslot remove "$(slot_of tang)"
    run systemctl restart swarm-manager
    is active
    [[ $(opened_last) == "$(slot_of tpm2)" ]]
}

# A Clevis pin that swarm-unlock does not know, by clevis itself.
clevis_pin_unlocks() {
    local pin
    pin='{"t":2,"pins":{"tpm2":{"pcr_ids":"11"},"tang":{"url":"http://t1","thp":"'$(on t1 tang-show-keys 80)'"}}}'
    run swarmctl keyslot remove "$(slot_of tpm2)"
    tpm m1 clevis luks bind -f -d /var/lib/swarm-manager/keyslots.luks -k - sss "$pin" <"$KEPT/key"
    run swarmctl keyslot ls
    run systemctl restart swarm-manager
    is active
    [[ $(opened_last) == "$(slot_of sss)" ]]
}

case_ 'tpm2: a machine without a TPM says so, and seals its keys nevertheless' without_a_tpm
case_ 'tpm2: a token is enrolled and opened' enrolls_and_opens
case_ 'tpm2: only the manager and root may ask' others_may_not_ask
case_ 'tpm2: the passphrase is neither in the journal nor in a file' nothing_is_told
case_ 'tpm2: a changed PCR refuses, in words' changed_pcr
case_ 'tpm2: after a restart the token opens again' restart
case_ 'tpm2: another TPM refuses, in words' another_tpm
case_ 'tpm2: many ask at once' many
case_ 'tpm2: the manager unlocks itself' manager_is_unlocked
case_ 'tpm2: after its PCRs changed Tang unlocks within 3 s, and the journal says why' falls_through
case_ 'tpm2: it is sealed to anew when a person says so' is_sealed_to_anew
case_ 'tpm2: a Clevis pin of both unlocks' clevis_pin_unlocks
rm -rf "$KEPT"
