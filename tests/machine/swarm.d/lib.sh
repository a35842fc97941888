# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # for those who source it
# For machine tests of several managers: source it after "$SANDBOX_LIB". Machines are m1, m2, …; nodes have their names.

STATE_FOLDER=/var/lib/swarm-manager

# small_snapshots THRESHOLD MACHINE…: a snapshot every so many entries, so that short tests see them written and installed. The manager takes
# SWARM_SNAPSHOT_THRESHOLD from a drop-in of its unit.
small_snapshots() {
    local machine threshold=$1
    for machine in "${@:2}"; do
        # shellcheck disable=SC2016 # expanded inside
        on "$machine" sh -ec '
            mkdir -p /etc/systemd/system/swarm-manager.service.d
            printf "[Service]\nEnvironment=SWARM_SNAPSHOT_THRESHOLD=%s\n" "$0" >/etc/systemd/system/swarm-manager.service.d/small-snapshots.conf
            systemctl daemon-reload
            systemctl restart swarm-manager' "$threshold"
    done
}

# json EXPRESSION: of the document d on standard input; a list is printed as words, nothing for None. The document ends up in the output of a case
# that fails.
json() {
    python3 -c '
import json, sys
text = sys.stdin.read()
try: d = json.loads(text)
except ValueError: sys.exit("not JSON: " + text)
value = eval(sys.argv[1])
print(*(value if isinstance(value, (list, set, tuple)) else [] if value is None else [value]))' "$1"
}

# What is asked for all the time is found without starting python: a simple member in a document of swarmctl's form, words as json has them.
info() {
    local text
    text=$(on "$1" swarmctl info --json) || return
    if [[ $text =~ $'\n'\ +\"$2\":\ (\"([^\"\\]*)\"|true|false|[0-9]+),?$'\n' ]]; then
        case ${BASH_REMATCH[1]} in
            \"*) echo "${BASH_REMATCH[2]}" ;;
            *) echo "${BASH_REMATCH[1]^}" ;;
        esac
    else
        json "d.get('$2', '')" <<<"$text"
    fi
}
state() { info "$1" State; }

is() {
    local now
    now=$(state "$1") || return
    [[ $now == "$2" ]] || { echo "$1 is $now, not $2: $(info "$1" Error)"; return 1; }
}

# node ASKED NAME MEMBER: what a manager says of a node; of several of that name the newest. Words as in the JSON: ready, leader, …
node() {
    on "$1" swarmctl node ls --json | awk -v name="$2" -v member="$3" '
        BEGIN { words["true"] = "True"; words["false"] = "False" }
        match($0, /^        "[A-Za-z]+": /) {
            value = substr($0, RLENGTH + 1)
            sub(/,$/, "", value)
            if (value in words) value = words[value]
            gsub(/^"|"$/, "", value)
            of_node[substr($0, 10, RLENGTH - 12)] = value
        }
        /^    }/ {
            if (of_node["Hostname"] == name && of_node["CreatedAt"] >= newest) {
                newest = of_node["CreatedAt"]
                found = of_node[member]
            }
            delete of_node
        }
        END { if (found != "") print found }'
}
node_is() { [[ $(node "$1" "$2" "$3") == "$4" ]] || { echo "$2's $3 is '$(node "$1" "$2" "$3")' to $1, not $4"; return 1; }; }
node_id() { node "$1" "$2" ID; }
leader() { on "$1" swarmctl node ls --json | json "next(n['Hostname'] for n in d if n['ManagerStatus'] == 'leader')"; }
is_reachable() { [[ $(node "$1" "$2" ManagerStatus) =~ ^(leader|reachable)$ ]] || { echo "$2 is '$(node "$1" "$2" ManagerStatus)' to $1"; return 1; }; }
generations() { on "$1" swarmctl node ls --json | json "sorted({n['KeyGeneration'] for n in d if n['Role'] == 'manager'})"; }
is_manager() { [[ $(info "$1" ControlAvailable) == True ]] || { echo "$1 is no manager: $(info "$1" State)"; return 1; }; }
is_worker() { [[ $(info "$1" ControlAvailable) == False && $(state "$1") == active ]]; }
is_open() { [[ $(info "$1" Autolock) == off ]]; }
same_generation() { [[ $(generations "$1") =~ ^[0-9]+$ ]] || { echo "key generations: $(generations "$1")"; return 1; }; }

# refused TEXT COMMAND…: fails, with that text
refused() {
    local text=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    printf '%s\n' "$output"
    ((status)) || complain "succeeded: $*" || return
    [[ $output == *"$text"* ]] || complain "exit status $status, but no '$text': $*"
}

# within SECONDS COMMAND…: is over by then, however it ends; sets STATUS. What is late is waited for a while, to tell how late it was.
within() {
    local seconds=$1 start=$EPOCHREALTIME spent process
    shift
    (trap - ERR; "$@") <&0 &
    process=$!
    while spent=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000)) && kill -0 $process 2>/dev/null; do
        ((spent <= seconds * 1000 + 20000)) || { kill $process; complain "not over after $spent ms: $*" || return; }
        sleep 0.02
    done
    STATUS=0
    wait $process || STATUS=$?
    echo "took $spent ms, exit status $STATUS: $*"
    ((spent <= seconds * 1000)) || complain "took $spent ms instead of at most $seconds s: $*"
}

key_in() { grep -o 'SWMKEY-1-[A-Za-z0-9+/]\{43\}' | tail -n 1; }

# ---- one manager's life. A stopped one stays stopped, whoever asks for it by D-Bus.

stop() { local m; for m in "$@"; do on "$m" systemctl stop swarm-manager; done; }
start() { local m; for m in "$@"; do on "$m" systemctl start --no-block swarm-manager; done; }
crash() { on "$1" systemctl kill --signal=KILL --kill-whom=main swarm-manager; }
start_into() { start "$1"; wait_for 15 is "$1" "$2"; }
restart_into() { stop "$1"; start_into "$1" "$2"; }
unlock() { on "$1" swarmctl unlock -q <<<"$2"; }
opens_with() { unlock "$1" "$2" && wait_for 15 is "$1" active; }
opens_not_with() { refused 'invalid key provided' unlock "$1" "$2"; is "$1" locked; }

# ---- a swarm of its own for a case

token() { on "$1" swarmctl join-token -q "$2"; }

# join MACHINE ROLE [VIA]: returns when the others know it
join() {
    local via=${3:-m1}
    token "$via" "$2" | on "$1" swarmctl join --token - "$via:2377"
    wait_for 15 is "$1" active
    if [[ $2 == manager ]]; then
        wait_for 15 is_manager "$1"
        wait_for 15 is_reachable "$via" "$1"
    else
        wait_for 15 node_is "$via" "$1" Status ready
    fi
}

# nobody MACHINE…: in no swarm, running, whatever a case that failed left behind
nobody() {
    local m
    "$SANDBOX" mend "$@"
    for m in "$@"; do
        on "$m" true 2>/dev/null || "$SANDBOX" restart "$m"
        on "$m" systemctl start --no-block swarm-manager
        wait_for 15 on "$m" swarmctl info
        is "$m" inactive || on "$m" timeout 20 swarmctl leave --force
    done
}

# new_swarm [--autolock] MACHINE…: all of them managers, the first one by init. Sets KEY, which same_swarm does in cases that go on with it.
SWARM_KEY_FILE=$(mktemp)
same_swarm() { KEY=$(<"$SWARM_KEY_FILE"); }
new_swarm() {
    local autolock=() output m
    [[ $1 != --autolock ]] || { autolock=(--autolock); shift; }
    nobody m1 m2 m3
    output=$(on "$1" swarmctl init "${autolock[@]}")
    KEY=$(key_in <<<"$output") || true
    echo "$KEY" >"$SWARM_KEY_FILE"
    for m in "${@:2}"; do
        join "$m" manager "$1"
    done
    ((${#autolock[@]} == 0)) || wait_for 15 same_generation "$1"
}

put() { head -c 100 /dev/urandom | on "$1" swarmctl secret create "$2" - >/dev/null; }
has() { [[ $(on "$1" swarmctl secret ls --json) == *"\"$2\""* ]] || { echo "$1 does not list $2"; return 1; }; }
wiped() { [[ -z $(on "$1" find $STATE_FOLDER -type f -size +0) ]] || { on "$1" find $STATE_FOLDER -type f; return 1; }; }
