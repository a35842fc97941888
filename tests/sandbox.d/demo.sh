# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share variables
# The demonstration: a manager with autolock, its machine rebooted, unlocked at the console's prompt.

cmd_demo() {
    local key
    cmd_build plain
    cmd_down
    down_at_exit
    boot_machines 1 0

    narrate "A swarm whose managers stay locked after a restart until somebody gives the unlock key:"
    demo_step swarmctl init --autolock
    key=$(grep -Eo 'SWMKEY-1-[A-Za-z0-9+/_=-]+' <<<"$DEMO_OUTPUT" | head -n 1)
    [[ $key ]] || fail "demo: 'swarmctl init --autolock' printed no unlock key"

    narrate "A secret in its store, which is encrypted on disk:"
    say "$ printf … | swarmctl secret create db-password -"
    printf 'correct horse battery staple' | demo_run swarmctl secret create db-password - || demo_failed "creating a secret"
    demo_step swarmctl secret ls
    expect_in_demo db-password

    narrate "The machine reboots. The manager comes back locked, and the secrets are out of reach:"
    cmd_restart m1
    demo_step swarmctl info
    expect_in_demo 'Swarm: locked'
    say "$ swarmctl secret ls"
    if demo_run swarmctl secret ls 2>&1; then
        fail "demo: a locked manager listed its secrets"
    fi

    narrate "Its start waits for the key, at systemd's password prompt:"
    say "    $key"
    say "$ systemctl start swarm-manager"
    demo_unlock "$key" || demo_failed "unlocking"

    narrate "Unlocked:"
    demo_step swarmctl secret ls
    expect_in_demo db-password
    demo_step swarmctl info
    expect_in_demo 'Swarm: active'
    narrate "Done; the machine goes down."
}

narrate() {
    printf '\n# %s\n' "$*"
}

demo_run() {
    in_machine m1 "$@"
}

demo_failed() {
    fail "demo: $* failed"
}

# Shows the command and its output, and keeps the output in DEMO_OUTPUT.
demo_step() {
    local status=0
    say "$ $*"
    DEMO_OUTPUT=$(demo_run "$@" 2>&1 </dev/null) || status=$?
    say "$DEMO_OUTPUT"
    ((status == 0)) || demo_failed "'$*' (exit status $status)"
}

expect_in_demo() {
    [[ $DEMO_OUTPUT == *"$1"* ]] || fail "demo: the output above should say '$1'"
}

# On a terminal the user types the key; otherwise the demo types it at the same prompt.
demo_unlock() {
    if [[ -t 0 && -t 1 ]]; then
        say "(type or paste the key)"
        demo_run script --quiet --return --flush --command 'systemctl start swarm-manager' /dev/null
    else
        # shellcheck source=/dev/null
        (source "$PARTS/testlib.sh" && type_at_prompt m1 'systemctl start swarm-manager' 'unlock key[^\n]*m1' "$1")
    fi
}
