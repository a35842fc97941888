# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Machines: containers that boot the installed project's Debian with systemd as process 1.
#
# Each has a directory (disk, uuid, console) in $STATE, a network namespace, and a cgroup in which everything of it lives:
#   $INSTANCE/m1/console          holds the console's terminal and starts the container again when the machine reboots
#   $INSTANCE/m1/nspawn           systemd-nspawn; below it in payload/ the machine itself
# Its mounts are in a mount namespace that only these processes have, so ending them ends all.

BOOT_SECONDS=60
STOP_SECONDS=100

known_machines() {
    local directory
    for directory in "$STATE"/[mt]*/; do
        [[ -d $directory ]] && basename "$directory"
    done | sort -V
}

need_machine() {
    [[ ${1:-} ]] || fail "which machine? $(list_machines)"
    [[ -d $STATE/$1 && $1 != */* ]] || fail "unknown machine '$1': $(list_machines)"
}

need_machines() {
    local machine
    (($#)) || need_machine
    for machine in "$@"; do
        need_machine "$machine"
    done
}

list_machines() {
    local machine list=
    for machine in $(known_machines); do
        list+=" $machine"
        find_process_1 "$machine" || list+=" (off)"
    done
    [[ $list ]] && echo "there are$list" || echo "no machines are up (tests/sandbox up boots some)"
}

machine_cgroup() {
    echo "$(cgroup_mount)/$INSTANCE/$1"
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

is_on() {
    grep -q '^populated 1' "$(machine_cgroup "$1")/cgroup.events" 2>/dev/null
}

is_off() {
    ! is_on "$1"
}

cmd_up() {
    local machines=1 tangs=0
    while (($#)); do
        case $1 in
            --machines | --machines=*) option_value machines "$@" && shift "$SHIFT" ;;
            --tang | --tang=*) option_value tangs "$@" && shift "$SHIFT" ;;
            *) fail "up: unknown argument '$1'" ;;
        esac
    done
    check_count --machines "$machines" 1
    check_count --tang "$tangs" 0
    cmd_build plain
    boot_machines "$machines" "$tangs"
}

# option_value VARIABLE ARGUMENT…: takes --option VALUE or --option=VALUE.
option_value() {
    if [[ $2 == *=* ]]; then
        printf -v "$1" '%s' "${2#*=}"
        SHIFT=1
    else
        [[ ${3:-} ]] || fail "$2 wants a number"
        printf -v "$1" '%s' "$3"
        SHIFT=2
    fi
}

check_count() {
    [[ $2 =~ ^[0-9]{1,3}$ ]] && ((10#$2 >= $3 && 10#$2 <= MAX_MACHINES)) && return
    fail "$1 wants a number from $3 to $MAX_MACHINES, not '$2'"
}

# boot_machines MACHINES TANGS: boots those that are not there yet; machines that are up or were switched off stay so.
boot_machines() {
    local number machine new=()
    for ((number = 1; number <= $1; number++)); do
        [[ -d $STATE/m$number ]] || new+=("m$number")
    done
    for ((number = 1; number <= $2; number++)); do
        [[ -d $STATE/t$number ]] || new+=("t$number")
    done
    if ((${#new[@]} == 0)); then
        say "nothing to boot: $(list_machines); they keep the build they were made with"
        return
    fi
    bridge_up
    for machine in "${new[@]}"; do
        make_machine "$machine"
    done
    step "booting ${new[*]}" boot boot_all "${new[@]}" || fail "not all machines booted; their consoles are in $STATE/*/console.log"
    sed 's/^/    failed unit: /' "$LOGS/boot.log"
}

boot_all() {
    local machine
    for machine in "$@"; do
        power_on "$machine"
    done
    for machine in "$@"; do
        wait_booted "$machine" || return
    done
}

make_machine() {
    local machine=$1 unfinished=$STATE/.new-$1
    rm -rf "$unfinished"
    mkdir -p "$unfinished"/{disk,work,root,network}
    tr -d - </proc/sys/kernel/random/uuid >"$unfinished/uuid"
    echo "${MACHINE_INSTALL:-$(readlink "$CACHE/install")}" >"$unfinished/install"
    copy_var "$unfinished"
    if [[ $machine == t* ]]; then
        mkdir -p "$unfinished/disk/etc/systemd/system/sockets.target.wants"
        ln -s /usr/lib/systemd/system/tangd.socket "$unfinished/disk/etc/systemd/system/sockets.target.wants/"
    fi
    plug_in "$machine"
    mv "$unfinished" "$STATE/$machine"
}

# /var is a plain folder of the host's file system, as on a real machine: on an overlay no write is asynchronous.
copy_var() {
    local install
    install=$(cat "$1/install")
    cp -a "$(root_of_install "$install")/var" "$1/var"
    [[ ! -d $install/layer/var ]] || cp -a "$install/layer/var/." "$1/var/"
}

power_on() {
    local machine=$1 cgroup
    cgroup=$(machine_cgroup "$machine")
    make_cgroups "$cgroup"
    unlocked start_console "$machine" </dev/null >"$STATE/$machine/log" 2>&1 &
    echo $! >"$cgroup/console/cgroup.procs"
    disown
}

# Waits until it is in the machine's cgroup, so that nothing of the machine is ever outside.
start_console() {
    wait_until 5 grep -q "/$INSTANCE/$1/console" /proc/self/cgroup || exit
    exec env -i PATH="$PATH" LANG=C.UTF-8 SWARM_SANDBOX_CACHE="$CACHE" SWARM_SANDBOX_LANE="$LANE" \
        setsid unshare --mount --propagation private "$SANDBOX" inner machine "$1"
}

make_cgroups() {
    local parent controller
    mkdir -p "$1"/{console,nspawn}
    for parent in "${1%/*}" "$1"; do
        # shellcheck disable=SC2013 # words
        for controller in $(cat "$parent/cgroup.controllers"); do
            echo "+$controller" >"$parent/cgroup.subtree_control" 2>/dev/null || true
        done
    done
}

# Runs for the machine's whole life, in its cgroup and mount namespace.
inner_machine() {
    local machine=$1 directory=$STATE/$1 install
    install=$(cat "$directory/install")
    ROOT=$(root_of_install "$install")
    mount --rbind /run/netns "$directory/network"
    # systemd-nspawn keeps its things in /run/systemd, and must neither find nor need the host's.
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/systemd
    [[ $(cgroup_mount) == /sys/fs/cgroup ]] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t overlay -o "lowerdir=$install/layer:$ROOT,upperdir=$directory/disk,workdir=$directory/work" overlay "$directory/root"
    mount --bind "$directory/var" "$directory/root/var"
    exec "$PYTHON" "$PARTS/console.py" serve "$directory/console" "$directory/console.log" \
        "$SANDBOX" inner nspawn "$machine"
}

inner_nspawn() {
    local machine=$1 directory=$STATE/$1
    echo $$ >"/sys/fs/cgroup/$INSTANCE/$machine/nspawn/cgroup.procs"
    # Locked memory and BPF (device and address filters) are what units on a real machine can use.
    exec systemd-nspawn --quiet --settings=no --boot --directory="$directory/root" --machine="$machine" --hostname="$machine" \
        --uuid="$(cat "$directory/uuid")" --register=no --keep-unit --console=interactive \
        --network-namespace-path="$directory/network/$INSTANCE-$machine" \
        --capability=CAP_NET_ADMIN,CAP_IPC_LOCK,CAP_BPF,CAP_PERFMON --system-call-filter="@memlock @keyring @pkey bpf perf_event_open" \
        --private-users=no --resolv-conf=off --timezone=off --link-journal=no
}

root_of_install() {
    cat "$1/root"
}

# A machine is also up when all that is left to start waits for a password.
# shellcheck disable=SC2016 # expanded inside
WAIT_FOR_BOOT='
    while state=$(systemctl is-system-running); [ "$state" = starting ] || [ "$state" = initializing ]; do
        for query in /run/systemd/ask-password/ask.*; do
            [ ! -e "$query" ] || [ "$(systemctl list-jobs --no-legend | grep -c " running *$")" -gt 1 ] || { echo locked; exit; }
        done
        sleep 0.03
    done
    echo "$state"'

wait_booted() {
    local machine=$1 state
    if ! wait_until "$BOOT_SECONDS" has_systemd_or_ended "$machine" || ! has_systemd "$machine"; then
        tail -n 30 "$STATE/$machine/log" "$STATE/$machine/console.log"
        say "$machine did not boot"
        return 1
    fi
    state=$(unlocked timeout "$BOOT_SECONDS" "$SANDBOX" run "$machine" /bin/sh -c "$WAIT_FOR_BOOT" </dev/null) || true
    case $state in
        running | locked) ;;
        degraded) in_machine "$machine" systemctl --failed --no-legend --plain | sed "s/^/$machine: /" || true ;;
        *)
            in_machine "$machine" systemctl list-jobs --no-pager || true
            say "$machine is '$state' after $BOOT_SECONDS s"
            return 1
            ;;
    esac
}

has_systemd_or_ended() {
    has_systemd "$1" || is_off "$1"
}

has_systemd() {
    find_process_1 "$1" && [[ -S /proc/$PROCESS/root/run/systemd/private ]]
}

cmd_restart() {
    need_machines "$@"
    local machine process stopping=()
    for machine in "$@"; do
        is_on "$machine" || continue
        power_off "$machine" &
        stopping+=($!)
    done
    for process in "${stopping[@]}"; do
        wait "$process"
    done
    boot_all "$@" || fail "not all of $* booted; their consoles are in $STATE/*/console.log"
}

# A clean shutdown; the power goes when the machine does not manage it in time.
power_off() {
    if wait_until 5 find_process_1 "$1"; then
        kill -s RTMIN+4 "$PROCESS"
        wait_until "$STOP_SECONDS" is_off "$1" || echo "sandbox: $1 did not shut down in $STOP_SECONDS s: cutting its power" >&2
    fi
    cut_power "$1"
}

cmd_kill() {
    need_machines "$@"
    cut_power "$@"
}

# Of all of them in the same instant, before it is waited for any.
cut_power() {
    local machine cgroup
    for machine in "$@"; do
        cgroup=$(machine_cgroup "$machine")
        [[ ! -d $cgroup ]] || echo 1 >"$cgroup/cgroup.kill"
    done
    for machine in "$@"; do
        wait_until 20 is_off "$machine" || fail "$machine has processes that do not die"
        remove_cgroup "$(machine_cgroup "$machine")"
    done
}

remove_cgroup() {
    [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} +
}

# A process of its own: within a trap, bash's plain `return` gives the script's exit status, not the function's.
down_at_exit() {
    trap 'unlocked "$SANDBOX" inner down' EXIT
}

cmd_down() {
    lanes_down
}

machines_down() {
    local machine cgroup
    cgroup=$(cgroup_mount)/$INSTANCE
    if [[ -d $cgroup ]]; then
        for machine in "$cgroup"/*/; do
            [[ -d $machine ]] && cut_power "$(basename "$machine")"
        done
        remove_cgroup "$cgroup"
    fi
    network_down
    rm --recursive --force --one-file-system "$STATE"
    remove_old_installs
}

# run MACHINE COMMAND…
cmd_run() {
    need_root
    need_machine "$@"
    (($# > 1)) || fail "run wants a command"
    local machine=$1
    shift
    if ! has_systemd "$machine"; then
        is_on "$machine" || fail "$machine is off (tests/sandbox restart $machine boots it)"
        wait_until "$BOOT_SECONDS" has_systemd "$machine" || fail "$machine does not come up"
    fi
    enter "$PROCESS" "$@"
}

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

cmd_shell() {
    need_machine "$@"
    cmd_run "$1" script --quiet --return --flush --command 'bash --login' /dev/null
}

cmd_console() {
    need_machine "$@"
    [[ -S $STATE/$1/console ]] || fail "$1 is off (tests/sandbox restart $1 boots it)"
    exec "$PYTHON" "$PARTS/console.py" attach "$STATE/$1/console"
}
