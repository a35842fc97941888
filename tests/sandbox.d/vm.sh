# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Virtual machines that boot a Debian of their own, from firmware on: tests/vm/boots.py. The disk images are made from the packages of
# `tests/sandbox package`; what stood on the consoles is kept in $CACHE/vm/consoles.

VM_PACKAGES=(
    systemd systemd-sysv systemd-boot-efi systemd-cryptsetup dbus polkitd libpam-systemd udev iproute2 procps netbase e2fsprogs less
    linux-image-cloud-amd64 initramfs-tools zstd cryptsetup-bin cryptsetup-initramfs
    libtss2-esys-3.0.2-0t64 libtss2-rc0t64 libtss2-mu-4.0.1-0t64 libtss2-tcti-device0t64 tang
)
VM_DISK_MIB=768
VM_ESP_MIB=64
# What a boot does for hardware, updates and people that are not there: emulated, each costs seconds.
VM_MASKED_UNITS=(
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    systemd-tmpfiles-clean.timer ldconfig.service systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service
    systemd-firstboot.service systemd-machine-id-commit.service systemd-networkd-wait-online.service systemd-logind.service getty@tty1.service
    getty-static.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-hibernate-clear.service systemd-pstore.service
    dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
    systemd-hostnamed.socket systemd-sysext.socket systemd-initctl.socket systemd-pcrlock.socket
)
# Emulated instructions and a busy host: what protects the kernel from its neighbours, tests itself or doubts its timers only costs time.
VM_KERNEL_OPTIONS="quiet console=ttyS0 rw panic=-1 fsck.mode=skip no_timer_check tsc=reliable nowatchdog nokaslr mitigations=off init_on_alloc=0
    audit=0 apparmor=0 lsm=capability cryptomgr.notests rcupdate.rcu_expedited=1
    systemd.debug_shell=ttyS1 systemd.show_status=yes systemd.gpt_auto=no systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900"

cmd_vm() {
    local revision
    prepare_host
    prepare_root
    prepare_tools package "${PACKAGE_TOOLS[@]}"
    revision=$(git -C "$SOURCE" rev-parse HEAD)
    make_packages "$revision" || fail "no packages"
    prepare_tools vm "${VM_TOOLS[@]}"
    prepare_vm_root
    make_images || fail "cannot make the disk images"
    PASSED=0 FAILED=0 SKIPPED=0
    rm -rf "$CACHE/vm/consoles"
    mkdir -p "$CACHE/vm/consoles"
    boot_vms "$@"
    say "what stood on the consoles is in $CACHE/vm/consoles"
    print_totals
}

# A Debian with a kernel and nothing to develop with.
prepare_vm_root() {
    local mirror
    VM_ROOT=$CACHE/vmroot-$(printf '%s\n' "$SUITE" "${VM_PACKAGES[@]}" | sha256sum | cut -c1-12)
    [[ ! -d $VM_ROOT ]] || return 0
    mirror=$(debian_mirror) || mirror=
    [[ -n $mirror ]] || fail "no Debian mirror found in this host's apt configuration (/etc/apt/sources.list and sources.list.d)"
    rm --recursive --force --one-file-system "$VM_ROOT.new"
    step "making a Debian $SUITE root for virtual machines (once)" vmroot-base isolated make_root "$VM_ROOT.new" "$mirror" || fail "cannot make it"
    step "installing a kernel in it" vmroot-packages isolated fill_vm_root "$VM_ROOT.new" "$mirror" || fail "cannot install its packages"
    mv "$VM_ROOT.new" "$VM_ROOT"
}

inner_fill_vm_root() {
    local root=$1 mirror=$2
    mount_kernel_files "$root"
    lend_host_network_settings "$root" "$mirror"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/sandbox"
    in_chroot "$root" apt-get update
    in_chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${VM_PACKAGES[@]}"
    in_chroot "$root" apt-get clean
}

# Three disks: a plain one, one with Plymouth, and one whose root file system is encrypted.
make_images() {
    local kind
    IMAGES=$CACHE/vm/$(basename "$PACKAGES_MADE")-$(basename "$VM_ROOT")
    mkdir -p "$IMAGES"
    for kind in plain plymouth encrypted; do
        [[ ! -e $IMAGES/$kind.done ]] || continue
        step "disk image ($kind)" "vm-image-$kind" isolated image "$kind" "$IMAGES" "$VM_ROOT" "$PACKAGES_MADE" "$TOOLS_ROOT" "$(debian_mirror)" || return
        touch "$IMAGES/$kind.done"
    done
}

inner_image() {
    local kind=$1 images=$2 vm_root=$3 packages=$4 tools=$5 mirror=$6 scratch=$CACHE/scratch tree
    enter_build_root "$tools" "$images"
    mkdir "$scratch"/{tree,tree-upper,tree-work}
    tree=$scratch/tree
    mount -t overlay -o "lowerdir=$vm_root,upperdir=$scratch/tree-upper,workdir=$scratch/tree-work" overlay "$tree"
    mount_kernel_files "$tree"
    fill_image "$kind" "$tree" "$packages" "$mirror"
    umount --recursive "$tree/proc" "$tree/sys" "$tree/dev" "$tree/tmp" "$tree/run"
    mkdir "$BUILD_ROOT/mnt/tree"
    mount --bind "$tree" "$BUILD_ROOT/mnt/tree"
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" bash -euc "$IMAGE_SCRIPT" image "$kind" "$images" "$VM_DISK_MIB" "$VM_ESP_MIB" \
        "$VM_ROOT_PARTUUID" "$VM_DISK_PASSPHRASE" "$VM_KERNEL_OPTIONS"
}

fill_image() {
    local kind=$1 tree=$2 packages=$3 mirror=$4 more=()
    lend_host_network_settings "$tree" "$mirror"
    mkdir "$tree/tmp/packages"
    cp "$packages"/first/*.deb "$tree/tmp/packages/"
    [[ $kind != encrypted ]] || echo "root PARTUUID=$VM_ROOT_PARTUUID none luks,initramfs" >"$tree/etc/crypttab"
    [[ $kind != plymouth ]] || more=(plymouth)
    make_a_small_initrd "$tree"
    in_chroot "$tree" env DEBIAN_FRONTEND=noninteractive INITRD=No sh -ec 'apt-get update
        apt-get install --yes --no-install-recommends /tmp/packages/swarm-manager_*.deb /tmp/packages/swarm-agent_*.deb /tmp/packages/swarmctl_*.deb "$@"
        apt-get clean' sh "${more[@]}"
    rm -rf "$tree"/var/lib/apt/lists/* "$tree"/etc/{hostname,resolv.conf} "$tree/etc/apt/apt.conf.d/90host"
    printf '127.0.0.1 localhost\n10.213.1.1 v1\n10.213.1.2 t1\n' >"$tree/etc/hosts"
    in_chroot "$tree" passwd --quiet --delete root
    in_chroot "$tree" systemctl --quiet disable tangd.socket
    in_chroot "$tree" systemctl --quiet enable systemd-networkd.service
    in_chroot "$tree" systemctl --quiet mask "${VM_MASKED_UNITS[@]}"
    be_patient "$tree"
    in_chroot "$tree" update-initramfs -u
    # Not a first boot, which would enable and update units.
    in_chroot "$tree" systemd-machine-id-setup
    touch "$tree/etc/.updated" "$tree/var/.updated"
}

# The firmware reads and measures it, the kernel unpacks it: no drivers of machines that these are not.
make_a_small_initrd() {
    printf 'MODULES=list\nRESUME=none\n' >"$1/etc/initramfs-tools/conf.d/sandbox"
    printf '%s\n' virtio_blk dm_crypt xts aesni_intel sha256_ssse3 algif_skcipher >>"$1/etc/initramfs-tools/modules"
}

# The manager has limits for real machines.
be_patient() {
    mkdir -p "$1"/etc/systemd/{journald.conf.d,system/swarm-manager.service.d}
    printf '[Service]\nTimeoutStartSec=900\nWatchdogSec=900\n' >"$1/etc/systemd/system/swarm-manager.service.d/emulated.conf"
    printf '[Journal]\nStorage=volatile\n' >"$1/etc/systemd/journald.conf.d/sandbox.conf"
}

VM_ROOT_PARTUUID=5d1c9e9b-7b53-4b62-9d70-3a2a4a5c6e01
VM_DISK_PASSPHRASE='a disk of its own'
# In the tools' root: kind, folder of the images, MiB of the disk and of the EFI partition, id and passphrase of the encrypted partition, kernel
# options. qemu-img knows LUKS1 only, but encrypts without the kernel's help, which not every host has.
# shellcheck disable=SC2016 # expanded inside
IMAGE_SCRIPT='
kind=$1 images=$2 disk=$3 esp=$4 uuid=$5 passphrase=$6 options=$(echo $7) tree=/mnt/tree
cd "$images"
rm -f "$kind.raw" "$kind.root"
root=LABEL=root size=$((disk - esp - 2))
[[ $kind != encrypted ]] || root=/dev/mapper/root size=$((size - 32)) # the header has its place before it
[[ $kind != plymouth ]] || options+=" splash"
truncate --size "${size}M" "$kind.root"
mke2fs -q -t ext4 -L root -E root_owner=0:0 -d "$tree" "$kind.root"
if [[ $kind == encrypted ]]; then
    qemu-img convert -f raw -O luks --object "secret,id=passphrase,data=$passphrase" -o key-secret=passphrase,iter-time=10 "$kind.root" "$kind.luks"
    mv "$kind.luks" "$kind.root"
fi
truncate --size "${disk}M" "$kind.raw"
sfdisk --quiet "$kind.raw" <<TABLE
label: gpt
start=1MiB, size=${esp}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=$((esp + 1))MiB, size=$((disk - esp - 2))MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$uuid
TABLE
truncate --size "${esp}M" esp
mkfs.vfat -F 32 -n ESP esp >/dev/null
mmd -i esp ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i esp "$tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i esp "$tree"/boot/vmlinuz-* ::/vmlinuz
mcopy -i esp "$tree"/boot/initrd.img-* ::/initrd.img
printf "timeout 0\n" | mcopy -i esp - ::/loader/loader.conf
printf "title Debian\nlinux /vmlinuz\ninitrd /initrd.img\noptions root=$root $options\n" | mcopy -i esp - ::/loader/entries/debian.conf
dd if=esp of="$kind.raw" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$kind.root" of="$kind.raw" bs=1M seek="$((esp + 1))" conv=notrunc,sparse status=none
rm "$kind.root" esp
'

boot_vms() {
    local line log=$LOGS/vm.log
    mkfifo "$CACHE/vm/lines.$$"
    isolated vms "$TOOLS_ROOT" "$CACHE/vm" "$IMAGES" "$@" >"$CACHE/vm/lines.$$" 2>"$log" </dev/null &
    while IFS= read -r line; do
        count "$line"
    done <"$CACHE/vm/lines.$$"
    rm -f "$CACHE/vm/lines.$$"
    wait $! || ((FAILED)) || count "not ok vm: ended with an error, see $log"
}

inner_vms() {
    local vm=$2
    enter_build_root "$1" "$vm"
    in_chroot "$BUILD_ROOT" env PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DISK_PASSPHRASE="$VM_DISK_PASSPHRASE" \
        python3 "$SOURCE/tests/vm/boots.py" "$3" "$vm/consoles" "${@:4}"
}
