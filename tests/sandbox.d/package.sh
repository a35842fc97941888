# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# Packages of what is committed: release tarball, Debian and RPM packages, their checks, and tests/packaging on a machine that has nothing
# of the project. All that is made is in $CACHE/packages/VERSION.

cmd_package() {
    local revision=HEAD
    (($# <= 1)) || fail "package wants one revision at most"
    revision=$(git -C "$SOURCE" rev-parse --verify --quiet "${1:-HEAD}^{commit}") || fail "no such revision: ${1:-}"
    [[ ${1:-} || -z $(git -C "$SOURCE" status --porcelain) ]] || say "the work tree has changes that are not committed: they are not in the packages"
    PASSED=0 FAILED=0 SKIPPED=0
    prepare_host
    prepare_root
    prepare_tools package "${PACKAGE_TOOLS[@]}"
    make_packages "$revision" || fail "no packages"
    check_packages
    make_rpms
    make_sbom
    PACKAGES_OLD=$(previous_packages "$revision") || PACKAGES_OLD=
    test_packages
    say "the packages are in $PACKAGES_MADE"
    print_totals
}

# make_packages COMMIT: sets PACKAGES_MADE. What was made of a commit is not made again.
make_packages() {
    local commit=$1 version
    version=$(package_version "$commit")
    PACKAGES_MADE=$CACHE/packages/$version
    [[ ! -e $PACKAGES_MADE/done ]] || return 0
    rm -rf "$PACKAGES_MADE"
    mkdir -p "$PACKAGES_MADE"/{first,second}
    step "release tarball of ${commit:0:12}" package-tarball isolated tarball "$TOOLS_ROOT" "$PACKAGES_MADE" "$commit" || return
    step "Debian packages $version" package-debian isolated debian "$TOOLS_ROOT" "$PACKAGES_MADE" "$version" first || return
    touch "$PACKAGES_MADE/done"
}

# Between releases a package is older than that release, and newer than those of the commits before.
package_version() {
    local version
    version=$(git -C "$SOURCE" show "$1:meson.build" | sed -n "s/^ *version: '\(.*\)',\$/\1/p" | head -n 1)
    if [[ $(git -C "$SOURCE" tag --points-at "$1") == *"v$version"* ]]; then
        echo "$version-1"
    else
        echo "$version-1~$(git -C "$SOURCE" rev-list --count "$1")"
    fi
}

# A clone, because meson packs what a repository has at its HEAD.
inner_tarball() {
    local root=$1 made=$2 commit=$3 tree
    enter_tools_root "$root" "$made"
    in_chroot "$BUILD_ROOT" git clone --quiet --no-checkout "$SOURCE" /tmp/tree
    in_chroot "$BUILD_ROOT" git -C /tmp/tree checkout --quiet --detach "$commit"
    in_chroot "$BUILD_ROOT" meson setup --prefix=/usr -Dtests=false /tmp/build /tmp/tree
    in_chroot "$BUILD_ROOT" meson dist -C /tmp/build --no-tests --formats xztar
    tree=$(basename "$BUILD_ROOT"/tmp/build/meson-dist/*.tar.xz .tar.xz)
    # meson takes the times of its clone's files; with those of the commit the same commit gives the same file.
    in_chroot "$BUILD_ROOT" tar --directory=/tmp --extract --file="/tmp/build/meson-dist/$tree.tar.xz"
    chmod -R u=rwX,go=rX "$BUILD_ROOT/tmp/$tree"
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'tar --directory=/tmp --create --sort=name --mtime="@$1" --owner=0 --group=0 --numeric-owner --format=ustar "$2" |
        xz --threads=1 >"$3/$2.tar.xz"' tar "$(in_chroot "$BUILD_ROOT" git -C /tmp/tree show --no-patch --format=%ct "$commit")" "$tree" "$made"
    in_chroot "$BUILD_ROOT" git -C /tmp/tree show --no-patch --format=%ct "$commit" >"$made/epoch"
    # Where dpkg and debhelper look for it.
    cp -a "$BUILD_ROOT/tmp/$tree/docs/packaging" "$made/packaging"
}

# inner_debian ROOT MADE VERSION FOLDER: in a folder of its own for each, so that a path in a package would differ.
inner_debian() {
    local root=$1 made=$2 version=$3 folder=$4 tarball tree
    enter_tools_root "$root" "$made"
    tarball=$(echo "$made"/swarm-manager-*.tar.xz)
    tree=/tmp/$folder/$(basename "$tarball" .tar.xz)
    mkdir "$BUILD_ROOT/tmp/$folder"
    cp "$tarball" "$BUILD_ROOT/tmp/$folder/swarm-manager_${version%-*}.orig.tar.xz"
    in_chroot "$BUILD_ROOT" tar --directory="/tmp/$folder" --extract --file="$tarball"
    cp -a "$made/packaging/debian" "$BUILD_ROOT$tree/debian"
    snapshot_changelog "$BUILD_ROOT$tree/debian/changelog" "$version" "$(cat "$made/epoch")"
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'cd "$1" && DEB_BUILD_OPTIONS=nocheck\ parallel=2 dpkg-buildpackage --no-sign --no-check-builddeps' sh "$tree"
    find "$BUILD_ROOT/tmp/$folder" -maxdepth 1 -type f -exec cp -t "$made/$folder" {} +
}

# A release has its own entry.
snapshot_changelog() {
    local changelog=$1 version=$2 epoch=$3 who
    [[ $(sed -n '1s/.*(\(.*\)).*/\1/p' "$changelog") != "$version" ]] || return 0
    who=$(sed -n 's/^ -- \(.*>\)  .*/\1/p' "$changelog" | head -n 1)
    {
        printf 'swarm-manager (%s) unstable; urgency=medium\n\n  * Snapshot between releases.\n\n -- %s  %s\n' \
            "$version" "$who" "$(date --utc --date="@$epoch" '+%a, %d %b %Y %H:%M:%S +0000')"
    } >"$changelog.new"
    mv "$changelog.new" "$changelog"
}

check_packages() {
    local name
    if step "lintian" package-lintian isolated lintian "$TOOLS_ROOT" "$PACKAGES_MADE"; then
        count "ok package:lintian"
    else
        count "not ok package:lintian: see above"
    fi
    if step "the same packages again" package-again isolated debian "$TOOLS_ROOT" "$PACKAGES_MADE" "$(basename "$PACKAGES_MADE")" second &&
        are_the_same "$PACKAGES_MADE/first" "$PACKAGES_MADE/second"; then
        count "ok package:reproducible"
    else
        count "not ok package:reproducible: two builds differ"
    fi
}

# The .buildinfo and what has its digest say when and where it was built.
are_the_same() {
    local file same=0
    for file in "$1"/*; do
        [[ $file != *.buildinfo && $file != *.changes ]] || continue
        cmp "$file" "$2/${file##*/}" || return
        same=$((same + 1))
    done
    say "    $same files are the same, byte for byte"
    ((same >= 4))
}

inner_lintian() {
    enter_tools_root "$1" "$2"
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'lintian --allow-root --display-info --fail-on error,warning "$1"/first/*.changes' sh "$2"
}

make_rpms() {
    rm -rf "$PACKAGES_MADE/rpm"
    mkdir "$PACKAGES_MADE/rpm"
    if step "RPM packages" package-rpm isolated rpm "$TOOLS_ROOT" "$PACKAGES_MADE"; then
        count "ok package:rpm"
    else
        count "not ok package:rpm: see above"
        return 0
    fi
    if step "rpmlint" package-rpmlint isolated rpmlint "$TOOLS_ROOT" "$PACKAGES_MADE"; then
        count "ok package:rpmlint"
    else
        count "not ok package:rpmlint: see above"
    fi
}

# What the spec requires is here, as Debian packages, of which rpm does not know.
inner_rpm() {
    local made=$2
    enter_tools_root "$1" "$made"
    in_chroot "$BUILD_ROOT" mkdir -p /tmp/rpm/SOURCES
    cp "$made"/swarm-manager-*.tar.xz "$BUILD_ROOT/tmp/rpm/SOURCES/"
    in_chroot "$BUILD_ROOT" env SOURCE_DATE_EPOCH="$(cat "$made/epoch")" rpmbuild -ba --nodeps --load "$SOURCE/tests/packaging/rpm-macros" \
        --define '_topdir /tmp/rpm' --define '_smp_mflags -j2' --define 'debug_package %{nil}' --define '_docdir_fmt %{NAME}' \
        --define 'use_source_date_epoch_as_buildtime 1' --define '_buildhost sandbox' "$made/packaging/swarm-manager.spec"
    find "$BUILD_ROOT/tmp/rpm" -name '*.rpm' -exec cp -t "$made/rpm" {} +
}

inner_rpmlint() {
    enter_tools_root "$1" "$2"
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'rpmlint --config "$2" "$1"/packaging/swarm-manager.spec "$1"/rpm/*.rpm' sh "$2" "$SOURCE/tests/packaging/rpmlint.toml"
}

# What is in the tarball, and under which license. What the binaries were built with is in the .buildinfo.
make_sbom() {
    local package_tools=$TOOLS_ROOT
    prepare_tools lint "${LINT_TOOLS[@]}"
    if step "SBOM" package-sbom isolated sbom "$TOOLS_ROOT" "$PACKAGES_MADE"; then
        count "ok package:sbom"
    else
        count "not ok package:sbom: see above"
    fi
    TOOLS_ROOT=$package_tools
}

inner_sbom() {
    local tarball
    enter_tools_root "$1" "$2"
    tarball=$(echo "$2"/swarm-manager-*.tar.xz)
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'python3 -m tarfile -e "$1" /tmp && cd "/tmp/$2" && reuse spdx --creator-organization swarm-manager >"$3"' \
        sh "$tarball" "$(basename "$tarball" .tar.xz)" "${tarball%.tar.xz}.spdx"
    grep -q '^LicenseInfoInFile: LGPL-2.1-or-later' "${tarball%.tar.xz}.spdx"
}

# The packages of the commit before, to upgrade from; none if that had no packaging.
previous_packages() {
    local previous
    previous=$(git -C "$SOURCE" rev-parse --verify --quiet "$1^") || return
    git -C "$SOURCE" cat-file -e "$previous:docs/packaging/debian/control" 2>/dev/null || return
    make_packages "$previous" >&2 && echo "$PACKAGES_MADE"
}

# A machine whose layer is empty: all that is installed comes from the packages.
test_packages() {
    local status=0 line log=$LOGS/package-install.log
    cmd_down
    down_at_exit
    mkdir -p "$CACHE/install-none/layer"
    echo "$ROOT" >"$CACHE/install-none/root"
    MACHINE_INSTALL=$CACHE/install-none boot_machines 1 0
    PACKAGES_NEW=$PACKAGES_MADE PACKAGES_OLD=$PACKAGES_OLD run_machine_test "$SOURCE/tests/packaging/install.sh" "$log" 1800 || status=$?
    while IFS= read -r line; do
        count "$line"
    done < <(grep -E '^(ok|not ok|skip) ' "$log")
    ((status == 0)) && return
    ((FAILED)) || count "not ok package:install: did not come to its end"
    show_failure "$log"
}
