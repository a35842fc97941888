# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2030,SC2031
# For machine tests: source "$SANDBOX_LIB" (or ${SANDBOX}.d/testlib.sh).
#
#   case_ NAME FUNCTION [ARGUMENT…]   runs the function as a test case: its first failing command fails the case
#   skip REASON                       in a case: skips it
#   on MACHINE COMMAND…, run COMMAND… run on that machine, on m1
#   not COMMAND…                      fails if the command succeeds (the shell stops at no command after "!")
#   expect_exit STATUS COMMAND…       fails unless the command ends with that status
#   expect_text TEXT COMMAND…         fails unless the output has that text, and the command succeeds
#   wait_for SECONDS COMMAND…         tries until the command succeeds
#   start_swtpm MACHINE               gives it a simulated TPM, which stays through restarts (PCRs are reset); see swtpm.sh
#   new_swtpm MACHINE                 gives it another one in place of that
#   tpm MACHINE COMMAND…              runs a command of tpm2-tools on its TPM
#   type_at_prompt MACHINE COMMAND [REGEX TEXT]…
#                                     runs a shell command on a terminal of the machine; at each prompt that matches REGEX
#                                     it types TEXT; prints all that the terminal showed and returns the command's status,
#                                     or 124 if a prompt did not come within TYPE_SECONDS (30)

TESTLIB=${SANDBOX:?must be the path of tests/sandbox}.d
CASES_FAILED=0
trap '((CASES_FAILED == 0)) || exit 1' EXIT

on() {
    "$SANDBOX" run "$@"
}

run() {
    on m1 "$@"
}

case_() {
    local name=$1 output reason status had_errexit=$-
    shift
    output=$(mktemp)
    reason=$(mktemp)
    # Not in a condition: bash would not stop at the function's first failing command.
    set +e
    (
        trap - EXIT
        set -eE
        REASON=$reason
        trap 'note_failure "$?" "${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
        "$@"
    ) >"$output" 2>&1 </dev/null
    status=$?
    [[ $had_errexit != *e* ]] || set -e
    report_case "$name" "$status" "$output" "$reason"
    rm -f "$output" "$reason"
}

# The command that failed first is noted before the functions that called it.
note_failure() {
    [[ -s ${REASON:=/dev/stderr} ]] || echo "$2${1:+ (exit status $1)}" >"$REASON"
}

report_case() {
    local name=$1 status=$2 output=$3 reason=$4
    case $status in
        0) echo "ok $name" ;;
        77) echo "skip $name: $(head -n 1 "$reason")" ;;
        *)
            CASES_FAILED=$((CASES_FAILED + 1))
            [[ -s $reason ]] || echo "exit status $status" >"$reason"
            echo "not ok $name: $(head -n 1 "$reason")"
            sed 's/^/  | /' "$output"
            ;;
    esac
}

skip() {
    echo "$*" >"$REASON"
    trap - ERR
    exit 77
}

# Fails the case, with the line that called the function that complains.
complain() {
    note_failure "" "${BASH_SOURCE[2]##*/}:${BASH_LINENO[1]}: $*"
    return 1
}

not() {
    ! "$@" || complain "succeeds: $*"
}

expect_exit() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    ((status == expected)) && return
    complain "exit status $status instead of $expected: $*"
}

expect_text() {
    local text=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    printf '%s\n' "$output"
    if ((status)); then
        complain "exit status $status: $*"
    elif [[ $output != *"$text"* ]]; then
        complain "no '$text' in the output of: $*"
    fi
}

wait_for() {
    local start=$SECONDS deadline=$((SECONDS + $1)) output
    shift
    until output=$("$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            printf '%s\n' "$output"
            complain "still failing: $*" || return
        fi
        sleep "$((SECONDS - start < 3 ? 1 : 3))e-1"
    done
}

start_swtpm() {
    on "$1" sh -s <"$TESTLIB/swtpm.sh"
}

new_swtpm() {
    on "$1" sh -ec 'systemctl stop swtpm && rm -rf /var/lib/swtpm && systemctl start swtpm'
}

tpm() {
    on "$1" /usr/local/bin/with-swtpm "${@:2}"
}

# The texts go through standard input, because they may be keys and everybody can read arguments.
type_at_prompt() {
    local machine=$1
    shift
    printf '%s\0' "$@" | on "$machine" python3 -c "$(<"$TESTLIB/typist.py")" "${TYPE_SECONDS:-30}"
}
