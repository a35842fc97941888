# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Building the project inside the Debian root, in one of several flavours: plain is what the machines run, in the others the unit tests do.

FLAVOURS=(plain coverage asan)

cmd_build() {
    local flavour
    (($#)) || set -- plain
    for flavour in "$@"; do
        [[ " ${FLAVOURS[*]} " == *" $flavour "* ]] || fail "unknown flavour '$flavour' (there are: ${FLAVOURS[*]})"
    done
    prepare_host
    prepare_root
    for flavour in "$@"; do
        build_flavour "$flavour" || fail "the $flavour build failed"
        [[ $flavour != plain ]] || install_plain || fail "cannot install the build"
    done
}

build_flavour() {
    local flavour=$1 directory=$CACHE/build-$1 made_from
    [[ -e $SOURCE/meson.build ]] || fail "no meson.build in $SOURCE"
    # A build directory holds its options, and paths of its sources and of the root it was set up in.
    made_from="$SOURCE $ROOT $(flavour_options "$flavour")"
    [[ $(cat "$directory/.made-from" 2>/dev/null) == "$made_from" && -e $directory/build.ninja ]] || rm -rf "$directory"
    mkdir -p "$directory"
    echo "$made_from" >"$directory/.made-from"
    step "building ($flavour)" "build-$flavour" isolated compile "$flavour" "$directory" "$ROOT" || return
    show_warnings "$LOGS/build-$flavour.log"
}

show_warnings() {
    local warnings
    mapfile -t warnings < <(grep -E '[0-9]: warning: ' "$1" | sort -u)
    ((${#warnings[@]})) || return 0
    say "${#warnings[@]} warnings, see $1:"
    printf '    %s\n' "${warnings[@]:0:20}"
}

flavour_options() {
    local common=(--prefix=/usr --sysconfdir=/etc --localstatedir=/var)
    case $1 in
        plain) echo "${common[*]} --buildtype=debugoptimized -Dtests=false -Dinstall-tests=true" ;;
        coverage) echo "${common[*]} --buildtype=plain -Db_coverage=true -Dc_args=-include$SOURCE/tests/coverage.h" ;;
        asan) echo "${common[*]} --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-g1" ;;
    esac
}

inner_compile() {
    local flavour=$1 directory=$2 root=$3 options
    read -ra options <<<"$(flavour_options "$flavour")"
    enter_build_root "$root" "$directory"
    if [[ ! -e $directory/build.ninja ]]; then
        in_chroot "$BUILD_ROOT" env CC=gcc meson setup "${options[@]}" "$directory" "$SOURCE"
    fi
    in_chroot "$BUILD_ROOT" ninja -C "$directory"
}

# enter_build_root ROOT DIRECTORY: a throw-away view of the root that sees the sources (read-only) and one build directory,
# both at their own paths, so that messages and debug information point to the real files.
enter_build_root() {
    local root=$1 directory=$2 scratch=$CACHE/scratch
    mkdir -p "$scratch"
    mount -t tmpfs tmpfs "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount_build_view "$root" "$scratch/upper" "$scratch/work" "$scratch/root" "$directory"
}

# mount_build_view LOWER UPPER WORK TARGET DIRECTORY: sets BUILD_ROOT.
mount_build_view() {
    local directory=$5
    BUILD_ROOT=$4
    mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" overlay "$BUILD_ROOT"
    mount_kernel_files "$BUILD_ROOT"
    mount -t tmpfs tmpfs "$BUILD_ROOT/mnt"
    bind_at_own_path "$SOURCE" ro
    bind_at_own_path "$directory" rw
}

bind_at_own_path() {
    mkdir -p "$BUILD_ROOT$1"
    mount --bind "$1" "$BUILD_ROOT$1"
    mount -o "remount,bind,$2" "$BUILD_ROOT$1"
}

# The installed project is a layer of its own above the root. It holds what a package's installation would do:
# files, users, enabled units. Machines that are up keep theirs, so every install gets a new directory.
install_plain() {
    local target
    remove_old_installs
    target=$(mktemp -d "$CACHE/install-XXXXXX") || return
    chmod 755 "$target"
    mkdir -p "$target"/{layer,work} || return
    echo "$ROOT" >"$target/root"
    step "installing it for the machines" install isolated install "$target" "$CACHE/build-plain" "$ROOT" || return
    ln -sfn "$target" "$CACHE/install.new" && mv -T "$CACHE/install.new" "$CACHE/install"
}

remove_old_installs() {
    local directory current
    [[ -z $(known_machines) ]] || return 0
    current=$(readlink "$CACHE/install") || current=
    for directory in "$CACHE"/install-*; do
        [[ $directory == "$current" ]] || rm -rf "$directory"
    done
}

inner_install() {
    local target=$1 directory=$2 root=$3 units
    mkdir -p "$CACHE/scratch"
    # The view's own mount points must not be part of the layer.
    mount -t tmpfs tmpfs "$CACHE/scratch"
    mkdir "$CACHE/scratch"/{upper,work,root,installed}
    mount_build_view "$root" "$CACHE/scratch/upper" "$CACHE/scratch/work" "$CACHE/scratch/root" "$directory"
    mkdir "$BUILD_ROOT/mnt/installed"
    mount -t overlay -o "lowerdir=$root,upperdir=$target/layer,workdir=$target/work" overlay "$BUILD_ROOT/mnt/installed"
    in_chroot "$BUILD_ROOT" env DESTDIR=/mnt/installed meson install -C "$directory" --no-rebuild
    in_chroot "$BUILD_ROOT" systemd-sysusers --root=/mnt/installed
    units=$(units_to_enable "$target/layer")
    # shellcheck disable=SC2086 # a list
    [[ -z $units ]] || in_chroot "$BUILD_ROOT" systemctl --root=/mnt/installed preset $units
    touch "$BUILD_ROOT"/mnt/installed/{etc,var}/.updated
}

units_to_enable() {
    local unit
    for unit in "$1"/usr/lib/systemd/system/*; do
        [[ -f $unit && $unit != *@.* ]] && grep -q '^\[Install\]' "$unit" && basename "$unit"
    done
    return 0
}

# run_unit_tests FLAVOUR [NAME…]: leaves the results in the build directory's testlog.json.
run_unit_tests() {
    local flavour=$1
    shift
    isolated unit_tests "$flavour" "$CACHE/build-$flavour" "$ROOT" "$@"
}

inner_unit_tests() {
    local flavour=$1 directory=$2 root=$3
    enter_build_root "$root" "$directory"
    # Sanitizers make tests a few times slower.
    local patience=2
    [[ $flavour == asan ]] && patience=4
    [[ $flavour != coverage ]] || find "$directory" -name '*.gcda' -delete
    # Only the loopback device: a test that needs more is not a unit test.
    # No more than there are processors: what they leave idle the analyzers take.
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" env UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        unshare --net sh -c 'ip link set lo up && exec "$@"' sandbox \
        meson test -C "$directory" --no-rebuild --print-errorlogs --num-processes "$(nproc)" \
        --timeout-multiplier "$patience" "${@:4}"
}
