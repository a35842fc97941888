#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Debian packages on a machine that has only Debian: installed, upgraded, not downgraded, removed, purged. `tests/sandbox package` runs it:
# PACKAGES_NEW has the packages, PACKAGES_OLD those of the commit before.
# shellcheck source=/dev/null
source "${SANDBOX_LIB:?}"
: "${PACKAGES_NEW:?}"
STATE_DIRECTORY=/var/lib/swarm-manager

give() {
    local folder
    for folder in "$@"; do
        tar --directory="$folder/first" --create --wildcards --no-anchored --transform "s|^|${folder##*/}/|" ./ | run tar --directory=/root --extract
    done
}

install_packages() {
    # shellcheck disable=SC2016 # expanded inside
    run env DEBIAN_FRONTEND=noninteractive sh -ec 'cd /root/$0 && apt-get install --yes --no-install-recommends --allow-downgrades \
        ./swarm-manager_*.deb ./swarm-agent_*.deb ./swarmctl_*.deb' "$1"
}

dpkg_installs() {
    # shellcheck disable=SC2016 # expanded inside
    run env DEBIAN_FRONTEND=noninteractive sh -ec 'cd /root/$0 && dpkg --install swarm-manager_*.deb swarm-agent_*.deb swarmctl_*.deb' "$1"
}

NEW=${PACKAGES_NEW##*/}
OLD=${PACKAGES_OLD:-}
OLD=${OLD##*/}

# Passes its input on, and leaves it in the case's output too.
shown() {
    tee >(cat >&2)
}

version() {
    run dpkg-query --show --showformat '${Version}' swarm-manager
}

state_is() {
    run swarmctl info | grep -qx "Swarm: $1"
}

main_pid() {
    run systemctl show --property MainPID --value swarm-manager
}

unlock() {
    printf '%s\n' "$KEY" | run swarmctl unlock
}

make_swarm() {
    wait_for 20 state_is inactive
    run swarmctl init --autolock | shown | grep -Eo 'SWMKEY-1-[A-Za-z0-9+/_=-]+' | head -n 1 >"$TMPDIR/key"
    printf s3cret | run swarmctl secret create db-password -
}

installs() {
    give "$PACKAGES_NEW"
    install_packages "$NEW"
    [[ $(version) == "$NEW" ]]
    run systemctl is-active swarm-manager swarm-agent
    run test ! -e /etc/systemd/system/swarm-manager.service.d
    [[ -z $(run systemctl --failed --plain --no-legend) ]]
}

works() {
    run sh -s <"$PACKAGES_NEW/packaging/debian/tests/installed"
}

all_is_in_usr() {
    local file
    for file in $(run dpkg --listfiles swarm-manager swarm-agent swarmctl | sort -u); do
        [[ $file == /usr* || $file == /. || -z $file ]] || complain "$file is not below /usr"
    done
}

units_verify() {
    [[ -z $(run sh -c 'systemd-analyze verify --man=yes /usr/lib/systemd/system/swarm-* 2>&1') ]]
}

purges_without_a_question() {
    local left
    run env DEBIAN_FRONTEND=noninteractive dpkg --purge swarm-agent swarm-manager swarmctl
    run test ! -e "$STATE_DIRECTORY"
    # Docker has man pages of swarms of its own.
    left=$(run sh -c 'find /etc/systemd /usr -name "*swarm*" ! -path "/usr/local/*" ! -name "docker-swarm*"')
    [[ -z $left ]] || complain "left: $left"
}

upgrades() {
    [[ $OLD ]] || skip "the commit before has no packages"
    give "$PACKAGES_OLD"
    install_packages "$OLD"
    [[ $(version) == "$OLD" ]]
    make_swarm
    local pid
    pid=$(main_pid)
    install_packages "$NEW" 2>&1 | shown | grep -q 'wants the unlock key'
    [[ $(version) == "$NEW" ]]
    state_is active
    [[ $(main_pid) == "$pid" ]] || complain "the manager was restarted, and wants its key"
}

unlocks_after_a_restart() {
    run systemctl --no-block restart swarm-manager
    wait_for 20 state_is locked
    unlock
    run swarmctl secret ls | grep -q db-password
}

refuses_a_downgrade() {
    local output status=0
    [[ $OLD ]] || skip "the commit before has no packages"
    output=$(dpkg_installs "$OLD" 2>&1) || status=$?
    printf '%s\n' "$output"
    ((status != 0))
    grep -q "is older than $NEW, which has written" <<<"$output"
    dpkg_installs "$NEW"
    [[ $(version) == "$NEW" ]]
    state_is active
}

removes() {
    run dpkg --remove swarm-agent swarm-manager
    run test -e "$STATE_DIRECTORY/keyslots.luks"
    ! run systemctl is-active swarm-manager.service
    run test ! -S /run/swarm-helpers/ask.sock
    [[ -z $(run systemctl --failed --plain --no-legend) ]]
}

comes_back_locked() {
    install_packages "$NEW" 2>&1 | shown | grep -q 'wants the unlock key'
    run systemctl --no-block start swarm-manager
    wait_for 20 state_is locked
    unlock
    run swarmctl secret ls | grep -q db-password
}

purge_keeps_keys_unless_told() {
    local output
    output=$(run env DEBIAN_FRONTEND=noninteractive dpkg --purge swarm-agent swarm-manager 2>&1)
    printf '%s\n' "$output"
    grep -q "$STATE_DIRECTORY is kept" <<<"$output"
    run test -e "$STATE_DIRECTORY/keyslots.luks"
}

purge_asks() {
    install_packages "$NEW"
    type_at_prompt m1 'DEBIAN_FRONTEND=teletype dpkg --purge swarm-agent swarm-manager' 'Wipe the state[^\x00]*\] ' yes
    run test ! -e "$STATE_DIRECTORY"
}

case_ package:install installs
case_ package:works works
case_ package:files all_is_in_usr
case_ package:verify units_verify
case_ package:purge purges_without_a_question
case_ package:upgrade upgrades
if [[ ! $OLD ]]; then
    install_packages "$NEW" >/dev/null
    make_swarm
fi
KEY=$(<"$TMPDIR/key")
case_ package:unlock unlocks_after_a_restart
case_ package:downgrade refuses_a_downgrade
case_ package:remove removes
case_ package:again comes_back_locked
case_ package:purge-keeps purge_keeps_keys_unless_told
case_ package:purge-asks purge_asks
