# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Running a command in a machine. Machine tests source this, too: they do it thousands of times.

# enter PROCESS COMMAND…: in place of this shell, as root in the machine of that process 1.
#
# The command joins the machine's namespaces, and its cgroup, so that it dies with it. A shell outside waits for it: nsenter itself would
# stop when a machine that shuts down stops all its processes, never wait for the dead one, and so hold up the shutdown for 90 s.
# shellcheck disable=SC2016 # expanded inside
enter() {
    local process=$1 terminal=${TERM:-dumb}
    shift
    exec -c nsenter --target "$process" --mount --uts --ipc --net --pid --cgroup --no-fork --root --wdns=/root -- /bin/sh -c '
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 TERM="$0"
        unset PWD
        (echo 0 >/sys/fs/cgroup/init.scope/cgroup.procs && exec setpriv --pdeathsig KILL -- "$@")
        exit $?' "$terminal" "$@"
}

has_systemd() {
    find_process_1 "$1" && [[ -S /proc/$PROCESS/root/run/systemd/private ]]
}

# Sets PROCESS to the host's number of the machine's process 1. It changes its cgroup while it boots, and may be in neither list that is read:
# so three looks.
find_process_1() {
    [[ ${CGROUP_MOUNT:-} ]] || find_cgroup_mount
    look_for_process_1 "$1" || look_for_process_1 "$1" || look_for_process_1 "$1"
}

look_for_process_1() {
    local list processes process key ids
    for list in {init.scope/,}cgroup.procs; do
        mapfile -t processes <"$CGROUP_MOUNT/$INSTANCE/$1/nspawn/payload/$list"
        for process in "${processes[@]}"; do
            while read -r key ids; do
                [[ $key == NSpid: && $ids =~ ^[0-9]+[[:space:]]+1$ ]] && PROCESS=$process && return
            done <"/proc/$process/status"
        done
    done 2>/dev/null
    return 1
}

# A hybrid host has its cgroup2 below /sys/fs/cgroup/unified. Sets CGROUP_MOUNT.
find_cgroup_mount() {
    local target type
    CGROUP_MOUNT=
    while read -r _ target type _; do
        [[ $type == cgroup2 && $target == /sys/fs/cgroup* ]] && CGROUP_MOUNT=$target && return
    done </proc/self/mounts
}
