# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Messages, steps, the lock.

INSTANCE=swarm-sandbox
# Two cache directories are two sandboxes that do not meet.
if [[ $CACHE != /var/cache/swarm-manager-sandbox ]]; then
    INSTANCE+=-$(cksum <<<"$CACHE" | cut -d' ' -f1)
fi
# So are the lanes in which machine tests run side by side, but for what is built and installed.
LANE=${SWARM_SANDBOX_LANE:-}
INSTANCE+=${LANE:+-lane$LANE}
STATE=$CACHE/run${LANE:+-lane$LANE}
LOGS=$CACHE/log${LANE:+/lane$LANE}

fail() {
    printf 'sandbox: %s\n' "$*" >&2
    exit 1
}

say() {
    printf '%s\n' "$*"
}

need_root() {
    ((EUID == 0)) || fail "must be run as root (it boots machines)"
}

seconds_since() {
    local now=${EPOCHREALTIME/[.,]/} start=${1/[.,]/}
    printf '%d.%d s' $(((now - start) / 1000000)) $(((now - start) / 100000 % 10))
}

# step TEXT LOGNAME COMMAND…: one line of progress, written at once where nobody watches; the command's output goes to a log that is shown when
# it fails.
step() {
    local text=$1 log=$LOGS/$2.log start=$EPOCHREALTIME status=0
    shift 2
    mkdir -p "$LOGS"
    [[ ! -t 1 ]] || printf '%s …\r' "$text"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status)); then
        say "$text … failed after $(seconds_since "$start")"
        show_log_tail "$log"
        return "$status"
    fi
    say "$text … $(seconds_since "$start")"
}

show_log_tail() {
    say "--- the end of $1:"
    tail -n 40 "$1" | sed 's/^/    /'
    say "---"
}

# A command's own children (test files call the sandbox) inherit its lock through the environment.
take_lock() {
    if [[ ${SWARM_SANDBOX_LOCKED:-} == "$CACHE" ]]; then
        exec {LOCK_FD}</dev/null
        return
    fi
    mkdir -p "$CACHE"
    exec {LOCK_FD}<>"$CACHE/lock"
    if ! flock --nonblock "$LOCK_FD"; then
        echo "sandbox: waiting for another sandbox command: $(cat "$CACHE/lock")" >&2
        flock "$LOCK_FD"
    fi
    echo "$1 (process $$)" >"$CACHE/lock"
    export SWARM_SANDBOX_LOCKED=$CACHE
}

# unlocked COMMAND…: for children that may outlive this command: they must not hold its lock.
unlocked() {
    "$@" {LOCK_FD}>&-
}

# in_machine MACHINE COMMAND…
in_machine() {
    unlocked "$SANDBOX" run "$@"
}

# isolated FUNCTION ARGUMENT…: runs inner_FUNCTION with private mounts and processes, which all vanish with this script.
isolated() {
    unlocked setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child --propagation private -- \
        "$SANDBOX" inner "$@"
}

# wait_until SECONDS COMMAND…
wait_until() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/[.,]/} < deadline)) || return 1
        sleep 0.02
    done
}
