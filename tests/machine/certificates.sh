# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# Certificates, 90 days long, on managers and a worker whose clocks are moved: they renew by themselves, and on unlock when they ended meanwhile.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

# later DAYS: all machines' managers, which must be stopped, live so many days from now.
later() {
    local m
    for m in m1 m2 m3; do
        # shellcheck disable=SC2016 # expanded inside
        on $m sh -ec '
            preload=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
            mkdir -p /etc/systemd/system/swarm-manager.service.d
            printf "[Service]\nEnvironment=LD_PRELOAD=%s FAKETIME=+%sd FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1\n" "$preload" "$0" \
                >/etc/systemd/system/swarm-manager.service.d/later.conf
            systemctl daemon-reload' "$1"
    done
}

# valid_in DAYS MACHINE: the node's certificate is good for longer than that, from now
valid_in() {
    on "$2" sh -c "for f in \$(ls $STATE_FOLDER/tls/*.pem | grep -v roots); do openssl x509 -noout -checkend $(($1 * 86400)) -in \$f || exit; done"
}
ends_before() { expect_exit 1 valid_in "$@"; }

# The one that the manager's port shows
shown_is_valid_in() {
    on "$2" sh -c "openssl s_client -connect $2:2377 -alpn swarm-join/1 </dev/null 2>/dev/null | openssl x509 -noout -checkend $(($1 * 86400))"
}

all_managers_and_a_worker() {
    local m
    new_swarm --autolock m1 m2
    join m3 worker
    put m1 kept
    has m2 kept
    for m in m1 m2 m3; do
        valid_in 89 $m
        ends_before 91 $m
    done
}

# More than half of their time is over. Nobody asks for it, and nobody restarts.
renewed_by_themselves() {
    local m
    same_swarm
    stop m1 m2 m3
    later 50
    for m in m1 m2; do
        start_into $m locked
        unlock $m "$KEY"
    done
    start_into m3 active
    for m in m1 m2; do
        wait_for 20 is $m active
    done
    for m in m1 m2 m3; do
        wait_for 20 valid_in 139 $m
    done
    for m in m1 m2; do
        wait_for 10 shown_is_valid_in 139 $m
    done
    put m2 renewed
    has m1 renewed
    wait_for 20 node_is m1 m3 Status ready
}

ended_while_off() {
    local m
    same_swarm
    stop m1 m2 m3
    later 150
    for m in m1 m2; do
        ends_before 150 $m
        start_into $m locked
        unlock $m "$KEY"
    done
    for m in m1 m2; do
        wait_for 20 is $m active
        valid_in 239 $m
        shown_is_valid_in 239 $m
    done
    has m1 kept
    put m2 after-all
    has m1 after-all
}

# Only a manager has the CA's key.
worker_whose_certificate_ended() {
    start_into m3 error
    [[ $(info m3 Error) == *'no valid certificate'*'remove it from the swarm'*'join anew'* ]]
    refused '' on m3 swarmctl secret ls
    wait_for 20 node_is m1 m3 Status down
    on m1 swarmctl node rm m3
    on m3 swarmctl leave --force
    join m3 worker
    valid_in 239 m3
}

case_ certificates-of-90-days all_managers_and_a_worker
case_ certificates-renew-by-themselves renewed_by_themselves
case_ certificates-that-ended-while-off-renew-on-unlock ended_while_off
case_ worker-whose-certificate-ended-joins-again worker_whose_certificate_ended
