# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Tools that only some commands need: each set is a layer of its own above the root, made at first use, so that the root stays small.

PACKAGE_TOOLS=(git debhelper dpkg-dev fakeroot po-debconf lintian rpm rpmlint)
LINT_TOOLS=(git shellcheck clang-tidy clang-tools codespell mandoc fish zsh gcovr reuse libxml2-utils groff)
VM_TOOLS=(qemu-system-x86 qemu-utils ovmf swtpm swtpm-tools mtools dosfstools fdisk)

# prepare_tools NAME PACKAGE…: sets TOOLS to the directory of the layer, and TOOLS_ROOT to what an overlay takes as its lower layers.
prepare_tools() {
    local name=$1 mirror
    shift
    TOOLS=$CACHE/tools-$name-$(printf '%s\n' "${ROOT##*/}" "$@" | sha256sum | cut -c1-12)
    TOOLS_ROOT=$TOOLS/layer:$ROOT
    if [[ -d $TOOLS ]]; then
        touch "$TOOLS"
        return
    fi
    mirror=$(debian_mirror) || mirror=
    [[ -n $mirror ]] || fail "no Debian mirror found in this host's apt configuration (/etc/apt/sources.list and sources.list.d)"
    rm --recursive --force --one-file-system "$TOOLS.new"
    mkdir -p "$TOOLS.new"/{layer,work}
    step "installing the tools for '$name' (once)" "tools-$name" isolated fill_tools "$TOOLS.new" "$mirror" "$ROOT" "$@" ||
        fail "cannot install the tools for '$name'"
    rm -rf "$TOOLS.new/work" "$TOOLS.new"/layer/etc/{hosts,resolv.conf} "$TOOLS.new"/layer/etc/apt \
        "$TOOLS.new"/layer/var/{lib/apt,cache/apt} "$TOOLS.new"/layer/{dev,proc,sys,run,tmp}
    mv "$TOOLS.new" "$TOOLS"
    find "$CACHE" -maxdepth 1 -name 'tools-*' -mtime +14 -exec rm -rf --one-file-system {} +
}

inner_fill_tools() {
    local tools=$1 mirror=$2 root=$3 view=$CACHE/scratch
    mkdir -p "$view"
    mount -t overlay -o "lowerdir=$root,upperdir=$tools/layer,workdir=$tools/work" overlay "$view"
    mount_kernel_files "$view"
    lend_host_network_settings "$view" "$mirror"
    in_chroot "$view" apt-get update
    in_chroot "$view" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${@:4}"
}

# enter_tools_root TOOLS_ROOT DIRECTORY: like enter_build_root, and git finds the repository that the sources belong to.
enter_tools_root() {
    local repository
    enter_build_root "$1" "$2"
    repository=$(repository_directory)
    [[ $repository == "$SOURCE"/* ]] || bind_at_own_path "$repository" ro
    printf '[safe]\n\tdirectory = *\n' >"$BUILD_ROOT/root/.gitconfig"
}

# Of a work tree that belongs to a repository elsewhere, that one.
repository_directory() {
    local directory=$SOURCE/.git
    if [[ -f $directory ]]; then
        directory=$(sed -n 's/^gitdir: //p' "$directory")
        directory=${directory%/worktrees/*}
    fi
    echo "$directory"
}
