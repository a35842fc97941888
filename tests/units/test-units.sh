#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# test-units.sh CHECK UNITS [ARGUMENT]: one of the checks below, on the configured files in the folder UNITS.
set -eu
check=$1 units=$2 argument=${3-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "failed: $*" >&2
    exit 1
}

# The programs are not installed where the units say.
copy_units() {
    for unit in "$units"/swarm-*.service "$units"/swarm-*.socket "$units"/swarm-*.timer "$units"/swarm-*.target; do
        sed -E 's|^(ExecStart=)/[^ ]*|\1/bin/true|; s|^ExecPaths=/[^ ]*|ExecPaths=/bin|' "$unit" >"$tmp/${unit##*/}"
    done
}

verify() {
    command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
    echo '[Service]
ExecStart=/bin/true' >"$tmp/probe.service"
    SYSTEMD_UNIT_PATH=$tmp: systemd-analyze verify --man=no "$tmp/probe.service" 2>"$tmp/why" ||
        skip "systemd-analyze verify does not run here: $(tail -n 1 "$tmp/why")"
    rm "$tmp/probe.service" "$tmp/why"
    copy_units
    SYSTEMD_UNIT_PATH=$tmp: systemd-analyze verify --man=no "$tmp"/swarm-* >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out")"
    [ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"
}

security() {
    command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
    copy_units
    for unit in "$tmp"/*.service; do
        systemd-analyze security --no-pager --offline=yes --threshold=15 "$unit" >"$tmp/out" 2>&1 ||
            fail "$unit is too exposed: $(grep -v '✓' "$tmp/out")"
        tail -n 1 "$tmp/out"
    done
}

# argument: the sources. Every id is explained, and nothing else.
catalog() {
    cat "$argument/manager/daemon/ids.h" "$argument/agent/agent_ids.h" >"$tmp/headers"
    sed -n 's/^#define MESSAGE_[A-Z_]* "\([0-9a-f]\{32\}\)"$/\1/p' "$tmp/headers" | sort >"$tmp/ids"
    sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$argument/units/swarm-manager.catalog" | sort >"$tmp/explained"
    [ -s "$tmp/ids" ] || fail "no ids found"
    [ "$(grep -c '#define MESSAGE_' "$tmp/headers")" = "$(wc -l <"$tmp/ids")" ] || fail "an id has another form"
    [ -z "$(uniq -d "$tmp/ids")" ] || fail "an id stands twice"
    diff "$tmp/ids" "$tmp/explained" || fail "the ids and the catalog differ"
    command -v journalctl >/dev/null || skip "no journalctl; ids and catalog agree"
    mkdir -p "$tmp/root/usr/lib/systemd/catalog" "$tmp/root/var/lib/systemd/catalog"
    cp "$argument/units/swarm-manager.catalog" "$tmp/root/usr/lib/systemd/catalog/"
    journalctl --root="$tmp/root" --update-catalog
    journalctl --root="$tmp/root" --list-catalog >"$tmp/list"
    [ "$(wc -l <"$tmp/list")" = "$(wc -l <"$tmp/ids")" ] || fail "journalctl lists other entries: $(cat "$tmp/list")"
}

credentials() {
    mkdir "$tmp/bin" "$tmp/creds"
    cat >"$tmp/bin/systemd-creds" <<'FAKE'
#!/bin/sh
[ "$1 $4" = "decrypt -" ] || exit 2
echo "secret plain text"
[ "$2" = "--name=swarm_${3##*/}" ] && grep -q good "$3" && exit 0
echo "first line" >&2
echo "why it is so" >&2
exit 1
FAKE
    printf '#!/bin/sh\ncat >>"%s"\n' "$tmp/journal" >"$tmp/bin/logger"
    chmod +x "$tmp"/bin/*
    touch "$tmp/journal"
    export PATH="$tmp/bin:$PATH"
    sh "$units/swarm-credentials-check" "$tmp/none"
    sh "$units/swarm-credentials-check" "$tmp/creds"
    echo good >"$tmp/creds/keys"
    sh "$units/swarm-credentials-check" "$tmp/creds"
    [ ! -s "$tmp/journal" ] || fail "spoke without a reason: $(cat "$tmp/journal")"
    echo bad >"$tmp/creds/keys"
    MONITOR_EXIT_STATUS=1 sh "$units/swarm-credentials-check" "$tmp/creds"
    [ ! -s "$tmp/journal" ] || fail "spoke of a failure that is not 243/CREDENTIALS"
    MONITOR_EXIT_STATUS=243 sh "$units/swarm-credentials-check" "$tmp/creds" >"$tmp/out"
    [ ! -s "$tmp/out" ] || fail "printed: $(cat "$tmp/out")"
    id=$(sed -n 's/^#define MESSAGE_CREDENTIALS "\(.*\)"$/\1/p' "$argument/manager/daemon/ids.h")
    grep -qx "MESSAGE_ID=$id" "$tmp/journal" || fail "no id"
    grep -qx "SWARM_FILE=$tmp/creds/keys" "$tmp/journal" || fail "no file"
    grep -qx "SWARM_REASON=why it is so" "$tmp/journal" || fail "no reason"
    grep -q "^MESSAGE=$tmp/creds/keys cannot be decrypted on this machine" "$tmp/journal" || fail "no message"
    ! grep -q secret "$tmp/journal" || fail "told the plain text"
}

# argument: test-freed
freed() {
    tunables=$(sed -n 's/^Environment=\(GLIBC_TUNABLES=.*\)/\1/p' "$units/swarm-manager.service")
    [ -n "$tunables" ] || fail "swarm-manager.service sets no tunables"
    env -u GLIBC_TUNABLES -u MALLOC_PERTURB_ "$argument" && fail "the check finds nothing without the tunables either"
    env "$tunables" "$argument" || fail "$tunables leaves freed memory as it was"
    for helper in swarm-agent swarm-agent-docker swarm-ask swarm-clevis@ swarm-open@ swarm-seal@ swarm-token@ swarm-units@ swarm-unlock@; do
        case $helper in swarm-agent-docker | swarm-clevis@ | swarm-token@ | swarm-unlock@) [ -e "$units/$helper.service" ] || continue ;; esac # options
        grep -qE "^Environment=(.* )?$tunables\$" "$units/$helper.service" || fail "$helper.service has other tunables"
    done
}

"$check"
