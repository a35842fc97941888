# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
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

case_ 'tpm2: a machine without a TPM says so, and seals its keys nevertheless' without_a_tpm
case_ 'tpm2: a token is enrolled and opened' enrolls_and_opens
case_ 'tpm2: only the manager and root may ask' others_may_not_ask
case_ 'tpm2: the passphrase is neither in the journal nor in a file' nothing_is_told
case_ 'tpm2: a changed PCR refuses, in words' changed_pcr
case_ 'tpm2: after a restart the token opens again' restart
case_ 'tpm2: another TPM refuses, in words' another_tpm
case_ 'tpm2: many ask at once' many
rm -rf "$KEPT"
