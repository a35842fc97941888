# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# The cached Debian root: where the project is built, and the lower layer of every machine's disk.

SUITE=trixie
PACKAGES=(
    systemd systemd-sysv systemd-cryptsetup dbus polkitd libpam-systemd udev iproute2 iputils-ping procps netbase e2fsprogs
    meson gcc libc6-dev clang libclang-rt-dev pkgconf
    libsystemd-dev libcryptsetup-dev libsodium-dev libssl-dev libuv1-dev libraft-dev libprotobuf-c-dev protobuf-c-compiler
    libcap-dev libjose-dev libcurl4-openssl-dev libjansson-dev
    cryptsetup-bin tang clevis clevis-luks clevis-tpm2 jose openssl curl sudo socat
    swtpm swtpm-tools tpm2-tools libtss2-tcti-swtpm0t64 libtss2-tcti-device0t64
    libtss2-esys-3.0.2-0t64 libtss2-rc0t64 libtss2-mu-4.0.1-0t64
    nginx-light postgresql-17 systemd-container
    docker.io docker-cli
    gdb strace libfaketime python3 python3-pexpect bash-completion less man-db
)
# Cost boot time or wake up during measurements, and do nothing for the tests.
MASKED_UNITS=(
    ldconfig.service systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-firstboot.service
    systemd-pstore.service e2scrub_reap.service e2scrub_all.timer fstrim.timer man-db.timer dpkg-db-backup.timer
    apt-daily.timer apt-daily-upgrade.timer getty@tty1.service systemd-networkd-wait-online.service
)
# Addresses are fixed, so every machine can know every name from the start.
MAX_MACHINES=30
SUBNET=10.213.0

root_directory() {
    local recipe
    recipe=$(printf '%s\n' "$SUITE" "${PACKAGES[@]}" && declare -f prepare_template)
    echo "$CACHE/root-$(printf '%s\n' "$recipe" "${MASKED_UNITS[@]}" | sha256sum | cut -c1-12)"
}

prepare_root() {
    ROOT=$(root_directory)
    if [[ -d $ROOT ]]; then
        touch "$ROOT"
        return
    fi
    local mirror
    mirror=$(debian_mirror) || mirror=
    [[ -n $mirror ]] || fail "no Debian mirror found in this host's apt configuration (/etc/apt/sources.list and sources.list.d)"
    mkdir -p "$CACHE"
    rm --recursive --force --one-file-system "$ROOT.new"
    step "making a Debian $SUITE root (once)" root-base isolated make_root "$ROOT.new" "$mirror" ||
        fail "cannot make the Debian root"
    step "installing build tools and libraries in it" root-packages isolated fill_root "$ROOT.new" "$mirror" ||
        fail "cannot install the packages in the Debian root"
    mv "$ROOT.new" "$ROOT"
    [[ $(known_machines) ]] || find "$CACHE" -maxdepth 1 -name 'root-*' -mtime +14 -exec rm -rf --one-file-system {} +
}

inner_make_root() {
    local root=$1 mirror=$2
    export http_proxy=${http_proxy:-$(apt_setting Acquire::http::Proxy)}
    export https_proxy=${https_proxy:-$(apt_setting Acquire::https::Proxy)}
    [[ -n $http_proxy ]] || unset http_proxy
    [[ -n $https_proxy ]] || unset https_proxy
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$SUITE" "$root" "$mirror"
}

inner_fill_root() {
    local root=$1 mirror=$2
    mount_kernel_files "$root"
    lend_host_network_settings "$root" "$mirror"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/sandbox" # a root that was not completed is thrown away
    in_chroot "$root" apt-get update
    in_chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${PACKAGES[@]}"
    in_chroot "$root" apt-get clean
    rm -r "$root"/var/lib/apt/lists/*
    prepare_template "$root"
}

# apt in the root reaches the mirror the way the host's does: same proxies, names and certificates.
lend_host_network_settings() {
    local root=$1 mirror=$2 certificates=/etc/ssl/certs/ca-certificates.crt
    echo "deb $mirror $SUITE main" >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-|Retries|ForceIPv|Max-)' >"$root/etc/apt/apt.conf.d/90host" || true
    cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
    if [[ -e $certificates && ! -e $root$certificates ]]; then
        mkdir -p "$root/etc/ssl/certs"
        cp --dereference "$certificates" "$root$certificates"
    fi
}

# What makes a Debian root one that many machines can boot from.
prepare_template() {
    local root=$1 number
    : >"$root/etc/machine-id"
    rm -f "$root"/etc/{hostname,resolv.conf} "$root/var/lib/systemd/"{credential.secret,random-seed} "$root/var/lib/dbus/machine-id"
    rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/tang/* "$root/etc/apt/apt.conf.d/90host"
    {
        echo "127.0.0.1 localhost"
        for ((number = 1; number <= MAX_MACHINES; number++)); do
            echo "$SUBNET.$number m$number"
            echo "$SUBNET.$((100 + number)) t$number"
        done
    } >"$root/etc/hosts"
    in_chroot "$root" systemctl --quiet mask "${MASKED_UNITS[@]}"
    in_chroot "$root" systemctl --quiet disable tangd.socket nginx.service postgresql.service docker.socket docker.service containerd.service
    in_chroot "$root" pg_dropcluster 17 main
    in_chroot "$root" passwd --quiet --delete root
    mkdir -p "$root/var/log/journal" "$root"/etc/systemd/{journald.conf.d,system/console-getty.service.d}
    printf '%s\n' '[Journal]' 'Storage=persistent' 'RateLimitBurst=0' 'SystemMaxUse=200M' >"$root/etc/systemd/journald.conf.d/sandbox.conf"
    printf '%s\n' '[Service]' 'ExecStart=' "ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 - \${TERM}" \
        >"$root/etc/systemd/system/console-getty.service.d/sandbox.conf"
    # Update services compare these with /usr; the template has nothing left to update.
    touch "$root/etc/.updated" "$root/var/.updated"
}

# mount_kernel_files ROOT: only for private mount namespaces.
mount_kernel_files() {
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
    mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$1/run"
}

in_chroot() {
    local root=$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 TERM=dumb chroot "$root" "$@"
}
