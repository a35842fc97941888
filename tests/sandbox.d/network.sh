# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# The private network: a bridge in a network namespace of its own, and one namespace for each machine, which outlives
# the machine's reboots. Machines have fixed addresses and nothing to configure.

bridge_up() {
    [[ ! -e /run/netns/$INSTANCE ]] || return 0
    ip netns add "$INSTANCE" || fail "cannot make a network namespace"
    modprobe -q bridge veth 2>/dev/null || true
    ip -n "$INSTANCE" link set lo up
    ip -n "$INSTANCE" link add bridge type bridge forward_delay 0 ||
        fail "this kernel has no network bridges, which the machines need"
    ip -n "$INSTANCE" link set bridge up
}

machine_address() {
    local number=${1:1}
    [[ $1 == t* ]] && number=$((100 + number))
    echo "$SUBNET.$number"
}

plug_in() {
    local machine=$1 namespace=$INSTANCE-$1
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    ip -n "$INSTANCE" link add "$machine" type veth peer name eth0 netns "$namespace" ||
        fail "this kernel has no veth network devices, which the machines need"
    ip -n "$INSTANCE" link set "$machine" master bridge up
    ip -n "$namespace" address add "$(machine_address "$machine")/24" dev eth0
    ip -n "$namespace" link set eth0 up
}

network_down() {
    local namespace
    for namespace in $(ip netns list | cut -d' ' -f1 | grep -E "^$INSTANCE(-[mt][0-9]+)?\$"); do
        ip netns delete "$namespace"
    done
}

# The cable stays in the machine, as with a broken switch: it notices only that nobody answers.
cmd_cut() {
    need_machines "$@"
    local machine
    for machine in "$@"; do
        ip -n "$INSTANCE" link set "$machine" nomaster
    done
}

cmd_mend() {
    need_machines "$@"
    local machine
    for machine in "$@"; do
        ip -n "$INSTANCE" link set "$machine" master bridge
    done
}
