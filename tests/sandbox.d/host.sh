# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# What the host must have: packages, kernel features, a Debian mirror.

prepare_host() {
    install_host_packages
    check_kernel
}

install_host_packages() {
    local missing=()
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
    command -v ip >/dev/null || missing+=(iproute2)
    [[ -x $PYTHON ]] || missing+=(python3)
    [[ -d /usr/lib/python3/dist-packages/pexpect ]] || missing+=(python3-pexpect)
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || fail "missing: ${missing[*]} (only Debian hosts can install them by themselves)"
    step "installing on this host: ${missing[*]}" host-packages unlocked install_with_apt "${missing[@]}" ||
        fail "cannot install ${missing[*]}"
}

install_with_apt() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install --yes --no-install-recommends "$@" && return
    apt-get update && apt-get install --yes --no-install-recommends "$@"
}

check_kernel() {
    local kind
    for kind in overlay cgroup2; do
        grep -qw "$kind" /proc/filesystems || modprobe "$kind" 2>/dev/null ||
            fail "this kernel has no $kind file system, which the machines need"
    done
    [[ -n $(cgroup_mount) ]] || fail "no cgroup2 file system is mounted, which the machines need"
    [[ -e $(cgroup_mount)/cgroup.procs ]] || fail "the cgroup2 mount is not usable from here"
}

# A hybrid host has its cgroup2 below /sys/fs/cgroup/unified. Sets CGROUP_MOUNT.
find_cgroup_mount() {
    local target type
    CGROUP_MOUNT=
    while read -r _ target type _; do
        [[ $type == cgroup2 && $target == /sys/fs/cgroup* ]] && CGROUP_MOUNT=$target && return
    done </proc/self/mounts
}

cgroup_mount() {
    find_cgroup_mount
    echo "$CGROUP_MOUNT"
}

# The Debian archive that this host's apt uses, whatever the format of its configuration.
debian_mirror() {
    local codename site
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # apt's own variables
    site=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 2>/dev/null |
        awk -v codename="$codename" '
            $3 == "main" && ($2 == codename || $2 ~ /^(stable|testing|sid|unstable|oldstable|trixie)$/) { print $1; exit }')
    case $site in
        mirror+file:*) grep -m1 -Eo '^(https?|file)://[^[:space:]]+' "${site#mirror+file:}" ;;
        *) echo "$site" ;;
    esac
}

apt_setting() {
    local value
    eval "$(apt-config shell value "$1")"
    echo "${value:-}"
}
