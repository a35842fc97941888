# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Benchmarks: the project's own programs, run inside a machine, then tests/bench/bench-swarm.py on machines of its own.

cmd_bench() {
    local program status=0
    cmd_build plain
    cmd_down
    boot_machines 1 0
    down_at_exit
    # shellcheck disable=SC2016 # expanded inside
    for program in $(in_machine m1 sh -c 'for p in /usr/lib/swarm-manager/tests/bench-*; do [ ! -x "$p" ] || echo "$p"; done'); do
        say "== $(basename "$program")"
        in_machine m1 "$program" || status=$?
    done
    [[ ${program:-} ]] || fail "the project installs no benchmarks (/usr/lib/swarm-manager/tests/bench-*)"
    cmd_down
    boot_machines 4 0
    say "== bench-swarm"
    PYTHONDONTWRITEBYTECODE=1 unlocked setpriv --pdeathsig KILL "$PYTHON" "$SOURCE/tests/bench/bench-swarm.py" || status=$?
    ((status == 0)) || fail "a benchmark failed"
}
