# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Chaos: tests/machine/swarm.d/chaos.py on fresh machines, for as long as one likes. `test` has a short one.

cmd_chaos() {
    local minutes=1 seed=$RANDOM$RANDOM machines=5 snapshots=64
    while (($#)); do
        case $1 in
            --minutes | --minutes=*) option_value minutes "$@" && shift "$SHIFT" ;;
            --seed | --seed=*) option_value seed "$@" && shift "$SHIFT" ;;
            --machines | --machines=*) option_value machines "$@" && shift "$SHIFT" ;;
            --snapshots | --snapshots=*) option_value snapshots "$@" && shift "$SHIFT" ;;
            *) fail "chaos: unknown argument '$1'" ;;
        esac
    done
    [[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || fail "--minutes wants a number from 1 to 9999, not '$minutes'"
    [[ $seed =~ ^[0-9]{1,15}$ ]] || fail "--seed wants a number, not '$seed'"
    [[ $snapshots =~ ^[0-9]{1,6}$ ]] || fail "--snapshots wants a number, not '$snapshots'"
    check_count --machines "$machines" 1
    cmd_build plain
    cmd_down
    down_at_exit
    boot_machines "$machines" 0
    say "chaos for $minutes min on $machines machines, a snapshot every $snapshots entries, seed $seed; the history is in $LOGS/chaos-history.jsonl"
    PYTHONDONTWRITEBYTECODE=1 unlocked setpriv --pdeathsig KILL "$PYTHON" "$SOURCE/tests/machine/swarm.d/chaos.py" \
        --seconds "$((minutes * 60))" --seed "$seed" --machines "$machines" --threshold "$snapshots" --log "$LOGS" ||
        fail "see above; 'tests/sandbox chaos --minutes $minutes --seed $seed --machines $machines --snapshots $snapshots' has the same schedule"
}
