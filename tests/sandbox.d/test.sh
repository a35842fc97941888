# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# All tests: meson's in two flavours, with the analyzers in the pauses of their processors, then the machine tests, each file on fresh machines.
#
# A machine test is tests/machine/*.sh or *.py. It runs on the host, says `# machines: N` and `# tang: N` in its first lines
# (1 and 0 if not), `# alone` if no other test may run meanwhile, and prints one line for each case: `ok NAME`, `not ok NAME: reason` or `skip NAME: reason`.

MACHINE_TEST_SECONDS=600
LANES=2 # of machine tests: machines wait a lot

cmd_test() {
    local pattern=${1:-} line
    (($# <= 1)) || fail "test wants one pattern at most"
    PASSED=0 FAILED=0 SKIPPED=0
    prepare_host
    prepare_root
    if build_flavour plain && build_flavour coverage; then
        install_plain || fail "cannot install the build"
        while IFS= read -r line; do
            count "$line"
        done < <(all_tests "$pattern")
    else
        count "not ok build: see above"
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

# Whoever runs beside others says all that belongs together at once, and a line by one write.
in_one_piece() {
    local output line
    output=$(mktemp)
    ("$@") >"$output" 2>&1 || true
    {
        flock 9
        while IFS= read -r line; do
            say "$line"
        done <"$output"
    } 9>>"$CACHE/lock.output"
    rm -f "$output"
}

all_tests() {
    local analysis=
    in_one_piece hygiene_tests "$1"
    if [[ ! $1 ]]; then
        idle in_one_piece analyze_all &
        analysis=$!
    fi
    in_one_piece unit_tests coverage "$1"
    [[ $1 ]] || in_one_piece coverage_figure
    if has_unit_tests "$1"; then
        in_one_piece asan_tests "$1"
    fi
    [[ ! $analysis ]] || wait "$analysis"
    machine_tests "$1"
}

# idle COMMAND…: in a process of its own, with what others leave of the processors.
idle() {
    chrt --idle --pid 0 "$BASHPID"
    "$@"
}

machine_tests() {
    local lane process lanes=()
    in_one_piece lanes_down
    rm -rf "$CACHE/taken"
    mkdir "$CACHE/taken"
    for ((lane = 1; lane <= LANES; lane++)); do
        in_lane "$lane" inner machine_tests "$1" &
        lanes+=($!)
    done
    for process in "${lanes[@]}"; do
        wait "$process" || say "not ok machine-tests: a lane ended with exit status $?"
    done
    in_lane 1 inner machine_tests "$1" alone || say "not ok machine-tests: the last lane ended with exit status $?"
}

# The first lane's machines are the ones that commands see when they name no lane.
in_lane() {
    SWARM_SANDBOX_LANE=${1#1} unlocked setpriv --pdeathsig KILL "$SANDBOX" "${@:2}"
}

lanes_down() {
    local lane
    for ((lane = LANES; lane >= 1; lane--)); do
        in_lane "$lane" inner down
    done
}

asan_tests() {
    if build_flavour asan; then
        unit_tests asan "$1"
    else
        say "not ok build:asan: does not build"
    fi
}

has_unit_tests() {
    [[ $("$PYTHON" "$PARTS/unit_tests.py" list "$CACHE/build-coverage" "$1" asan) ]]
}

unit_tests() {
    local flavour=$1 directory=$CACHE/build-$1 names
    mapfile -t names < <("$PYTHON" "$PARTS/unit_tests.py" list "$directory" "$2" "$flavour")
    ((${#names[@]})) || return 0
    rm -f "$directory/meson-logs/testlog.json"
    say "unit tests ($flavour):"
    run_unit_tests "$flavour" "${names[@]}" >"$LOGS/unit-$flavour.log" 2>&1 </dev/null || true
    if [[ -s $directory/meson-logs/testlog.json ]]; then
        "$PYTHON" "$PARTS/unit_tests.py" report "$directory" "$flavour" "${#names[@]}"
    else
        show_log_tail "$LOGS/unit-$flavour.log"
        say "not ok unit:$flavour: the tests did not run"
    fi
}

# One lane: takes one test after the other that no other lane has taken; what compares rates waits until it is alone.
inner_machine_tests() {
    local file name alone=${2:-}
    take_lock test
    prepare_root
    down_at_exit
    for file in "$SOURCE"/tests/machine/*.py "$SOURCE"/tests/machine/*.sh; do
        name=$(basename "$file")
        [[ -f $file && $name == *"$1"* ]] || continue
        [[ $alone ]] || ! head -n 20 "$file" | grep -qx '# alone' || continue
        mkdir "$CACHE/taken/$name" 2>/dev/null || continue
        in_one_piece machine_test "$file"
    done
}

inner_down() {
    take_lock down
    machines_down
}

header() {
    sed -n "1,20s/^# $2: *\([0-9]\+\) *\$/\1/p" "$1" | head -n 1
}

machine_test() {
    local file=$1 name log status=0 machines tangs seconds
    name=$(basename "${file%.*}")
    log=$LOGS/machine-$name.log
    machines=$(header "$file" machines)
    tangs=$(header "$file" tang)
    seconds=$(header "$file" seconds)
    say "machine test $name:"
    machines_down
    if ! (boot_machines "${machines:-1}" "${tangs:-0}"); then
        say "not ok $name: the machines do not boot"
        return
    fi
    run_machine_test "$file" "$log" "${seconds:-$MACHINE_TEST_SECONDS}" || status=$?
    grep -E '^(ok|not ok|skip) ' "$log" || say "not ok $name: has no cases"
    if ((status == 124 || status == 137)); then
        say "not ok $name: took too long"
    elif ((status)) && ! grep -q '^not ok ' "$log"; then
        say "not ok $name: ended with exit status $status"
    fi
    ((status == 0)) || show_failure "$log"
}

run_machine_test() {
    local file=$1 log=$2 seconds=$3 interpreter=bash
    [[ $file == *.py ]] && interpreter=$PYTHON
    mkdir -p "$LOGS" "$STATE/.tmp" # the latter goes with the machines
    TMPDIR=$STATE/.tmp SANDBOX_LIB=$PARTS/testlib.sh PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
        setpriv --pdeathsig KILL timeout --foreground --kill-after=5 "$seconds" \
        setpriv --pdeathsig KILL "$interpreter" "$file" >"$log" 2>&1 </dev/null {LOCK_FD}>&-
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
