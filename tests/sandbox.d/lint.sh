# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# What tools say of the sources, and how much of them the unit tests reach.

LEAST_COVERAGE=85 # percent of the lines that no tool has written

cmd_lint() {
    local line
    PASSED=0 FAILED=0 SKIPPED=0
    prepare_host
    prepare_root
    build_flavour plain && build_flavour coverage || fail "a build failed"
    prepare_tools lint "${LINT_TOOLS[@]}"
    hygiene_tests ""
    while IFS= read -r line; do
        count "$line"
    done < <(analyze_all; analyze "builds without what is optional" options "$CACHE/build-options")
    print_totals
}

analyze_all() {
    prepare_tools lint "${LINT_TOOLS[@]}"
    analyze "reading it with clang" clang "$CACHE/build-coverage"
    analyze "gcc's analyzer" gcc_analyzer "$CACHE/build-gcc-analyzer"
    analyze clang-tidy clang_tidy "$CACHE/build-clang-tidy"
}

# hygiene_tests PATTERN: counts tests/hygiene's checks whose names contain it.
hygiene_tests() {
    local line log=$LOGS/hygiene.log
    [[ hygiene == *"$1"* || $1 == hygiene* ]] || return 0
    prepare_tools lint "${LINT_TOOLS[@]}"
    mkdir -p "$LOGS"
    say "hygiene:"
    while IFS= read -r line; do
        count "$line"
    done < <(isolated hygiene "$TOOLS_ROOT" "$CACHE/build-plain" "$1" 2>"$log" </dev/null)
    [[ ! -s $log ]] || show_log_tail "$log"
}

inner_hygiene() {
    enter_tools_root "$1" "$2"
    in_chroot "$BUILD_ROOT" env PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/hygiene/hygiene.py" "$SOURCE" "$2/manager/ctl/swarmctl" "$3"
}

# analyze TEXT FUNCTION DIRECTORY: a warning is a failure.
analyze() {
    mkdir -p "$3"
    if step "$1" "lint-$2" isolated "$2" "$TOOLS_ROOT" "$3"; then
        say "ok lint:$2"
    else
        say "not ok lint:$2: see above"
    fi
}

# With gcc's own commands, and all sources, tests too; it makes nothing.
# shellcheck disable=SC2016 # expanded inside
inner_clang() {
    enter_tools_root "$1" "$2"
    in_chroot "$BUILD_ROOT" sh -c 'cd "$0" && ninja -t commands |
        sed -En "s/^(ccache )?gcc (.*) -MD -MQ .* -c /clang -Werror -fsyntax-only \2 /p" | xargs -d "\n" -n 1 -P "$(nproc)" sh -ec' "$2"
}

# The project's programs without the tests: what those do to memory on purpose is nobody's business. gcc takes the standard descriptors that
# dup2(2) makes for leaks.
inner_gcc_analyzer() {
    enter_tools_root "$1" "$2"
    rm -rf "${2:?}"/*
    in_chroot "$BUILD_ROOT" env CC=gcc CFLAGS='-fanalyzer -Werror -Wno-error=analyzer-too-complex -Wno-analyzer-fd-leak' \
        meson setup --buildtype=debugoptimized -Dtests=false "$2" "$SOURCE"
    in_chroot "$BUILD_ROOT" ninja -k 0 -C "$2"
}

inner_clang_tidy() {
    enter_tools_root "$1" "$2"
    rm -rf "${2:?}"/*
    in_chroot "$BUILD_ROOT" env CC=clang meson setup --buildtype=debugoptimized -Dtests=false "$2" "$SOURCE"
    in_chroot "$BUILD_ROOT" ninja -C "$2" manager/store/store.pb-c.h manager/peer/peer.pb-c.h
    # shellcheck disable=SC2016 # expanded inside
    in_chroot "$BUILD_ROOT" sh -ec 'cd "$1" && find manager agent -name "*.c" | xargs -P 2 -n 8 clang-tidy --quiet -p "$2" --config-file=tests/hygiene/clang-tidy' \
        sh "$SOURCE" "$2"
}

# Without each of them alone it has to be configured, tests included; without all, and with other names and folders, it is built.
inner_options() {
    local option all=() others=(-Duser=other -Dgroup=others -Dhelperdir=/opt/helpers -Dunitdir=/opt/units -Ddbusdir=/opt/dbus)
    enter_tools_root "$1" "$2"
    rm -rf "${2:?}"/*
    for option in tang tpm2 clevis docker polkit man bash-completion zsh-completion fish-completion tests; do
        in_chroot "$BUILD_ROOT" meson setup --prefix=/usr "-D$option=false" "$2/$option" "$SOURCE"
        all+=("-D$option=false")
    done
    in_chroot "$BUILD_ROOT" meson setup --prefix=/usr "${all[@]}" "${others[@]}" "$2/all" "$SOURCE"
    in_chroot "$BUILD_ROOT" ninja -C "$2/all"
    in_chroot "$BUILD_ROOT" env DESTDIR="$2/installed" meson install -C "$2/all" --no-rebuild
    [[ -x $2/installed/opt/helpers/swarm-managerd && ! -e $2/installed/opt/helpers/swarm-unlock && ! -e $2/installed/usr/share/man ]]
    grep -qx 'User=other' "$2/installed/opt/units/swarm-manager.service"
    grep -qx 'Group=others' "$2/installed/opt/units/swarm-manager.service"
    ! grep -r --include='*' -l 'swarm-manager/swarm-' "$2/installed/opt/units"
}

cmd_coverage() {
    local line
    prepare_host
    prepare_root
    build_flavour coverage || fail "the coverage build failed"
    PASSED=0 FAILED=0 SKIPPED=0
    while IFS= read -r line; do
        count "$line"
    done < <(unit_tests coverage "" && coverage_figure)
    print_totals
    say "each file's figure is in $CACHE/build-coverage/coverage.txt"
}

coverage_figure() {
    local log=$LOGS/coverage.log lines
    prepare_tools lint "${LINT_TOOLS[@]}"
    step "counting the lines that the unit tests reached" coverage isolated coverage "$TOOLS_ROOT" "$CACHE/build-coverage" || true
    lines=$(sed -n 's/^lines: \([0-9.]*\)%.*/\1/p' "$log")
    if awk -v lines="$lines" -v least="$LEAST_COVERAGE" 'BEGIN { exit !(lines >= least) }'; then
        say "ok coverage: $lines % of lines"
    else
        say "not ok coverage: ${lines:-unknown} % of lines are reached, and not at least $LEAST_COVERAGE"
    fi
}

inner_coverage() {
    enter_tools_root "$1" "$2"
    in_chroot "$BUILD_ROOT" gcovr -j "$(nproc)" --root "$SOURCE" --object-directory "$2" --filter "$SOURCE/(manager|agent)/" --exclude '.*\.pb-c\.[ch]' \
        --exclude-unreachable-branches --gcov-ignore-errors=no_working_dir_found --txt "$2/coverage.txt" --print-summary "$2"
}
