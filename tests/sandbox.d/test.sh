# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# All tests: meson's in two flavours, then the machine tests, each file on fresh machines.
#
# A machine test is tests/machine/*.sh or *.py. It runs on the host, says `# machines: N` and `# tang: N` in its first lines
# (1 and 0 if not), and prints one line for each case: `ok NAME`, `not ok NAME: reason` or `skip NAME: reason`.

MACHINE_TEST_SECONDS=600

cmd_test() {
    local pattern=${1:-}
    (($# <= 1)) || fail "test wants one pattern at most"
    PASSED=0 FAILED=0 SKIPPED=0
    prepare_host
    prepare_root
    if prepare_build plain; then
        install_plain || fail "cannot install the build"
        hygiene_tests "$pattern"
        unit_tests plain "$pattern"
        if has_unit_tests "$pattern"; then
            prepare_build asan && unit_tests asan "$pattern"
        fi
        [[ $pattern ]] || { prepare_build clang && count "ok build:clang"; }
        machine_tests "$pattern"
    fi
    print_totals
}

print_totals() {
    ((PASSED + FAILED + SKIPPED)) || say "no test has such a name"
    local totals="$PASSED passed, $FAILED failed"
    ((SKIPPED == 0)) || totals+=", $SKIPPED skipped"
    say "$totals"
    ((FAILED == 0 && PASSED > 0))
}

# Counts and shows a line, which is a result or only explains one.
count() {
    case $1 in
        'ok '*) PASSED=$((PASSED + 1)) ;;
        'not ok '*) FAILED=$((FAILED + 1)) ;;
        'skip '*) SKIPPED=$((SKIPPED + 1)) ;;
    esac
    say "$1"
}

prepare_build() {
    build_flavour "$1" && return
    count "not ok build:$1: does not build"
    return 1
}

has_unit_tests() {
    "$PYTHON" "$PARTS/unit_tests.py" list "$CACHE/build-plain" "$1" | grep -q .
}

unit_tests() {
    local flavour=$1 directory=$CACHE/build-$1 names line
    mapfile -t names < <("$PYTHON" "$PARTS/unit_tests.py" list "$directory" "$2")
    ((${#names[@]})) || return 0
    rm -f "$directory/meson-logs/testlog.json"
    say "unit tests ($flavour):"
    run_unit_tests "$flavour" "${names[@]}" >"$LOGS/unit-$flavour.log" 2>&1 </dev/null || true
    if [[ ! -s $directory/meson-logs/testlog.json ]]; then
        show_log_tail "$LOGS/unit-$flavour.log"
        count "not ok unit:$flavour: the tests did not run"
        return
    fi
    while IFS= read -r line; do
        count "$line"
    done < <("$PYTHON" "$PARTS/unit_tests.py" report "$directory" "$flavour" "${#names[@]}")
}

machine_tests() {
    local file name
    for file in "$SOURCE"/tests/machine/*.sh "$SOURCE"/tests/machine/*.py; do
        name=$(basename "$file")
        [[ -f $file && $name == *"$1"* ]] || continue
        down_at_exit
        machine_test "$file"
    done
}

header() {
    sed -n "1,20s/^# $2: *\([0-9]\+\) *\$/\1/p" "$1" | head -n 1
}

machine_test() {
    local file=$1 name log failed_before=$FAILED status=0 machines tangs seconds
    name=$(basename "${file%.*}")
    log=$LOGS/machine-$name.log
    machines=$(header "$file" machines)
    tangs=$(header "$file" tang)
    seconds=$(header "$file" seconds)
    say "machine test $name:"
    cmd_down
    if ! (boot_machines "${machines:-1}" "${tangs:-0}"); then
        count "not ok $name: the machines do not boot"
        return
    fi
    run_machine_test "$file" "$log" "${seconds:-$MACHINE_TEST_SECONDS}" || status=$?
    if ((status && FAILED == failed_before)); then
        ((status == 124 || status == 137)) && status="$status, took too long"
        count "not ok $name: ended with exit status $status"
    elif ! grep -Eq '^(ok|not ok|skip) ' "$log"; then
        count "not ok $name: has no cases"
    fi
    ((FAILED == failed_before)) || show_failure "$log"
}

# Counts the cases while the file runs; returns its exit status.
run_machine_test() {
    local file=$1 log=$2 seconds=$3 interpreter=bash test line
    [[ $file == *.py ]] && interpreter=$PYTHON
    mkdir -p "$STATE/.tmp" # goes with the machines
    : >"$log"
    TMPDIR=$STATE/.tmp SANDBOX_LIB=$PARTS/testlib.sh PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
        setpriv --pdeathsig KILL timeout --foreground --kill-after=5 "$seconds" \
        setpriv --pdeathsig KILL "$interpreter" "$file" >"$log" 2>&1 </dev/null {LOCK_FD}>&- &
    test=$!
    while IFS= read -r line || [[ $line ]]; do
        [[ ! $line =~ ^(ok|not\ ok|skip)\  ]] || count "$line"
    done < <(exec tail --pid="$test" --sleep-interval=0.1 --lines=+1 --follow "$log" {LOCK_FD}>&-)
    wait "$test"
}

show_failure() {
    local machine
    say "--- what the test said:"
    tail -n 80 "$1" | sed 's/^/    /'
    for machine in $(known_machines); do
        say "--- the end of $machine's journal:"
        if has_systemd "$machine"; then
            unlocked timeout 10 "$SANDBOX" run "$machine" journalctl --no-pager --quiet --lines 40 </dev/null | sed 's/^/    /' || true
        else
            say "    ($machine is off)"
        fi
    done
    say "---"
}
