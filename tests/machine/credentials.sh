# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# seconds: 1800
# shellcheck shell=bash
# Units and what they may load: m1 is the manager, m2 and m3 are workers, unless a case says otherwise.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

SOCKET=/run/swarm-manager/credentials.sock

# unit MACHINE NAME [LINE…]: a service that copies its credentials to /run/got/NAME/, with further lines; CREDENTIALS names them (pw)
unit() {
    local machine=$1 name=$2 lines=() id
    for id in ${CREDENTIALS-pw}; do lines+=("LoadCredential=$id:$SOCKET"); done
    printf '%s\n' '[Unit]' StartLimitIntervalSec=0 '[Service]' Type=oneshot RemainAfterExit=yes TimeoutStartSec=20 "${lines[@]}" "${@:3}" \
        "ExecStart=sh -c \"mkdir -p '/run/got/%n' && cp -L '%d'/* '/run/got/%n/'\"" | on "$machine" sh -c "cat >/etc/systemd/system/'$name' && mkdir -p -m 1777 /run/got && systemctl daemon-reload"
}

# starts MACHINE UNIT; loaded MACHINE UNIT ID TEXT
starts() { on "$1" sh -c "rm -rf '/run/got/$2'; systemctl restart '$2'" || { on "$1" systemctl status --no-pager "$2"; on "$1" journalctl -n 20 --no-pager -u swarm-manager; return 1; }; }
loaded() { [[ $(on "$1" cat "/run/got/$2/$3") == "$4" ]] || { echo "$1 $2 has another $3: $(on "$1" head -c 80 "/run/got/$2/$3")"; return 1; }; }
gets() { starts "$1" "$2" && loaded "$1" "$2" "$3" "$4"; }

# denied MACHINE UNIT [TEXT]: 243, nothing was run, and the journal says TEXT
denied() {
    local since
    since=$(on "$1" date +%s.%N)
    ! starts "$1" "$2" >/dev/null 2>&1 || { echo "$2 has started on $1"; return 1; }
    [[ $(on "$1" systemctl show -P ExecMainStatus "$2") == 243 ]] || { on "$1" systemctl status --no-pager "$2"; return 1; }
    on "$1" test ! -e "/run/got/$2"
    [[ -z ${3-} ]] || wait_for 5 told "$1" "$since" "$3"
}
told() { [[ $(on "$1" journalctl -u swarm-manager --since "@$2" -o cat) == *"$3"* ]] || { on "$1" journalctl -u swarm-manager --since "@$2" -o cat; return 1; }; }

service() { on m1 swarmctl service create "$@"; }
secret() { printf %s "$2" | on m1 swarmctl secret create "$1" - >/dev/null; }

begin() {
    new_swarm m1
    join m2 worker
    join m3 worker
    secret pw hunter2
    on m1 swarmctl node update --label-add role=web m2
}

granted() {
    begin
    local m
    service web --unit web.service --secret pw
    for m in m1 m2 m3; do
        unit $m web.service
        gets $m web.service pw hunter2
        [[ $(on $m stat -c %a $SOCKET) == 600 ]]
    done
    wait_for 10 used 3
    secret other swordfish
    on m1 swarmctl service update --secret-add other:name-of-its-own web
    for m in m1 m2 m3; do
        CREDENTIALS='pw name-of-its-own' unit $m web.service
        wait_for 10 gets $m web.service name-of-its-own swordfish
        loaded $m web.service pw hunter2
    done
    printf 'listen 80;' | on m1 swarmctl config create nginx.conf -
    on m1 swarmctl service update --config-add nginx.conf web
    CREDENTIALS=nginx.conf unit m3 web.service
    wait_for 10 gets m3 web.service nginx.conf 'listen 80;'
}
used() { [[ $(on m1 swarmctl service ps web --json | json "sum(1 for u in d if u.get('Credential') == 'pw')") == "$1" ]] || { on m1 swarmctl service ps web; return 1; }; }

refused_by_name() {
    unit m1 db.service
    unit m2 db.service
    denied m1 db.service '--unit db.service --secret pw'
    denied m2 db.service '--unit db.service --secret pw'
    CREDENTIALS=nothing unit m2 web.service
    denied m2 web.service 'service web'
    denied m2 web.service nothing
    expect_text SWARM_UNIT=web.service on m2 journalctl -u swarm-manager -o export MESSAGE_ID=91d39b0bedbf4067b8a982bf063b2652
    CREDENTIALS=pw unit m2 web.service
}

refused_by_constraint() {
    service labelled --unit labelled.service --secret pw --constraint node.labels.role==web
    service workers --unit workers.service --secret pw --constraint node.role==worker
    local m
    for m in m1 m2 m3; do
        unit $m labelled.service
        unit $m workers.service
    done
    wait_for 10 gets m2 labelled.service pw hunter2
    denied m3 labelled.service labelled.service
    denied m1 labelled.service labelled.service
    gets m2 workers.service pw hunter2
    gets m3 workers.service pw hunter2
    denied m1 workers.service workers.service
    # the label moves
    on m1 swarmctl node update --label-rm role m2
    on m1 swarmctl node update --label-add role=web m3
    wait_for 10 gets m3 labelled.service pw hunter2
    wait_for 10 denied m2 labelled.service
    on m1 swarmctl service rm labelled
    wait_for 10 denied m3 labelled.service
}

templates() {
    local m
    service template --unit 'inst@*.service' --secret pw
    for m in m1 m2; do
        unit $m inst@.service
        wait_for 10 gets $m inst@1.service pw hunter2
        gets $m 'inst@a-b:c.service' pw hunter2
        gets $m 'inst@dev-disk\x2dby.service' pw hunter2
    done
}

# systemd's limit for both names together is 83 bytes
names() {
    local unit id
    id=$(printf 'c%.0s' {1..64})
    unit=u23456789.service
    secret long "$(printf 'x%.0s' {1..100})"
    service long --unit "$unit" --secret "long:$id"
    CREDENTIALS=$id unit m2 $unit
    wait_for 10 starts m2 $unit
    loaded m2 $unit "$id" "$(printf 'x%.0s' {1..100})"
    unit=$(printf 'n%.0s' {1..74}).service
    service longer --unit "$unit" --secret pw:p
    CREDENTIALS=p unit m2 "$unit"
    wait_for 10 gets m2 "$unit" p hunter2
}

sizes() {
    head -c 1024000 /dev/urandom | on m1 sh -c 'cat >/run/large; swarmctl config create large /run/large'
    head -c 512000 /dev/urandom | on m1 sh -c 'cat >/run/half; swarmctl secret create half /run/half'
    service large --unit large.service --config large --secret half
    local m
    for m in m1 m2; do
        CREDENTIALS=large unit $m large.service
        wait_for 15 starts $m large.service
        [[ $(on $m sha256sum </dev/null /run/got/large.service/large | cut -d' ' -f1) == "$(on m1 sha256sum /run/large | cut -d' ' -f1)" ]]
        CREDENTIALS=half unit $m large.service
        starts $m large.service
        [[ $(on $m sha256sum </dev/null /run/got/large.service/half | cut -d' ' -f1) == "$(on m1 sha256sum /run/half | cut -d' ' -f1)" ]]
        # systemd's own limit: 1 MiB for all credentials of a unit
        CREDENTIALS='large half' unit $m large.service
        not starts $m large.service
        [[ $(on $m systemctl show -P ExecMainStatus large.service) == 243 ]]
    done
}

crowd() {
    local m spent start
    service crowd --unit 'crowd@*.service' --secret pw
    for m in m1 m2; do
        unit $m crowd@.service
        wait_for 10 gets $m crowd@0.service pw hunter2
        start=$EPOCHREALTIME
        # shellcheck disable=SC2016 # expanded inside
        on $m sh -c 'rm -rf /run/got; mkdir -m 1777 /run/got; systemctl start $(seq -f crowd@%g.service 200)'
        spent=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 1000))
        [[ $(on $m sh -c 'cat /run/got/crowd@*.service/pw | tr -d "\n"' | wc -c) == 1400 ]]
        echo "200 units at once on $m: $spent ms"
    done
}

kinds_of_units() {
    local m
    service kinds --unit 'kind-*.service' --secret pw
    for m in m1 m2; do
        unit $m kind-user.service User=nobody
        unit $m kind-dynamic.service DynamicUser=yes ReadWritePaths=/run/got
        unit $m kind-private.service PrivateMounts=yes PrivateUsers=yes ProtectSystem=strict ReadWritePaths=/run/got
        unit $m kind-slice.service Slice=own-of-it.slice
        unit $m kind-delegate.service Delegate=yes DelegateSubgroup=inner
        unit $m kind-pre.service 'ExecStartPre=sh -c "test -s $CREDENTIALS_DIRECTORY/pw"'
        on $m mkdir -p -m 1777 /run/got
        for u in user dynamic private slice delegate pre; do
            wait_for 10 starts $m kind-$u.service
            loaded $m kind-$u.service pw hunter2
        done
    done
}

# ---- the swarm's own troubles

locked_manager() {
    new_swarm --autolock m1
    secret pw hunter2
    service web --unit 'web*.service' --secret pw
    unit m1 web.service 'TimeoutStartSec=180'
    unit m1 web-late.service 'TimeoutStartSec=3'
    on m1 sh -c 'sed "/^\[Service\]/i[Unit]\nWants=swarm-credentials.target\nAfter=swarm-credentials.target" /etc/systemd/system/web.service >/etc/systemd/system/web-after.service; systemctl daemon-reload'
    gets m1 web.service pw hunter2
    stop m1
    on m1 rm -rf /run/got/web.service
    on m1 systemctl restart --no-block web.service # starts the manager
    on m1 systemctl restart --no-block web-after.service
    wait_for 15 is m1 locked
    # bounded by the unit's own start time-out
    within 10 on m1 systemctl start web-late.service
    ((STATUS))
    [[ $(on m1 systemctl show -P Result web-late.service) == timeout ]]
    [[ $(on m1 systemctl show -P ActiveState web.service) == activating ]]
    # who waits outlives the manager
    crash m1
    wait_for 15 is m1 locked
    [[ $(on m1 systemctl show -P ActiveState web.service) == activating ]]
    [[ $(on m1 systemctl show -P ActiveState swarm-credentials.target) == inactive ]]
    opens_with m1 "$KEY"
    wait_for 10 loaded m1 web.service pw hunter2
    wait_for 10 loaded m1 web-after.service pw hunter2
    [[ $(on m1 systemctl show -P Result web.service) == success ]]
}

cut_off() {
    begin
    service web --unit web.service --secret pw
    service short --unit short.service --secret pw --max-age 8s
    unit m2 web.service
    unit m2 short.service
    wait_for 10 gets m2 web.service pw hunter2
    gets m2 short.service pw hunter2
    "$SANDBOX" cut m2
    gets m2 web.service pw hunter2
    wait_for 20 on m2 sh -c 'journalctl -u swarm-manager -o cat | grep "No manager can be reached"'
    denied m2 short.service '--max-age 8'
    gets m2 web.service pw hunter2
    printf %s swordfish | on m1 swarmctl secret update pw -
    gets m2 web.service pw hunter2
    "$SANDBOX" mend m2
    wait_for 30 on m2 sh -c 'journalctl -u swarm-manager -o cat | grep "A manager is reached again"'
    wait_for 10 gets m2 web.service pw swordfish
    gets m2 short.service pw swordfish
}

# continues
node_removed() {
    local pid
    pid=$(on m2 systemctl show -P MainPID swarm-manager)
    on m1 swarmctl node rm --force m2
    wait_for 15 is m2 inactive
    denied m2 web.service 'in no swarm'
    on m2 test ! -e /run/swarm-manager/uses
    # what it had in memory
    on m2 python3 - "$pid" <<'PYTHON'
import re, sys
found = 0
with open(f'/proc/{sys.argv[1]}/maps') as maps, open(f'/proc/{sys.argv[1]}/mem', 'rb', 0) as memory:
    for line in maps:
        start, end, flags = re.match(r'(\w+)-(\w+) (\S+)', line).groups()
        if flags.startswith('r') and '[v' not in line:
            memory.seek(int(start, 16))
            try: found += memory.read(int(end, 16) - int(start, 16)).count(b'swordfish')
            except OSError: pass
sys.exit(found > 0)
PYTHON
    unit m3 web.service
    gets m3 web.service pw swordfish
}

roles_change() {
    new_swarm m1 m2
    join m3 worker
    secret pw hunter2
    service web --unit web.service --secret pw
    unit m3 web.service
    wait_for 10 gets m3 web.service pw hunter2
    on m1 swarmctl node promote m3
    for _ in {1..15}; do gets m3 web.service pw hunter2; done
    wait_for 15 is_manager m3
    gets m3 web.service pw hunter2
    on m1 swarmctl node demote m3
    wait_for 15 is_worker m3
    wait_for 10 gets m3 web.service pw hunter2
    # the manager that a worker heard goes
    "$SANDBOX" cut "$(leader m1)"
    gets m3 web.service pw hunter2
    "$SANDBOX" mend m1 m2
    on m3 swarmctl leave
    denied m3 web.service 'in no swarm'
}

offline() {
    begin
    service on-disk --unit on-disk.service --secret pw --offline
    service elsewhere --unit 'elsewhere*.service' --secret pw
    unit m2 on-disk.service
    unit m2 elsewhere.service TimeoutStartSec=5
    unit m2 elsewhere-patient.service TimeoutStartSec=300
    wait_for 10 gets m2 on-disk.service pw hunter2
    wait_for 10 on m2 test -s $STATE_FOLDER/offline
    [[ $(on m2 stat -c '%a %U' $STATE_FOLDER/offline) == '600 swarm-manager' ]]
    not on m2 grep -q hunter2 $STATE_FOLDER/offline
    on m2 sh -c 'printf "[Install]\nWantedBy=multi-user.target\n[Unit]\nWants=swarm-credentials.target\nAfter=swarm-credentials.target\n" >>/etc/systemd/system/on-disk.service; systemctl daemon-reload; systemctl enable on-disk.service'
    "$SANDBOX" cut m2
    "$SANDBOX" restart m2
    wait_for 20 loaded m2 on-disk.service pw hunter2
    on m2 systemctl reset-failed
    not starts m2 elsewhere.service # it waits for the managers, as long as it may
    [[ $(on m2 systemctl show -P Result elsewhere.service) == timeout ]]
    # who waits outlives the manager
    on m2 systemctl start --no-block elsewhere-patient.service
    sleep 1
    crash m2
    wait_for 15 is m2 active
    restart_into m2 active
    [[ $(on m2 systemctl show -P ActiveState elsewhere-patient.service) == activating ]]
    "$SANDBOX" mend m2
    wait_for 20 loaded m2 elsewhere-patient.service pw hunter2
    wait_for 20 gets m2 elsewhere.service pw hunter2
    on m1 swarmctl service rm on-disk
    wait_for 10 on m2 test ! -e $STATE_FOLDER/offline
    service on-disk --unit on-disk.service --secret pw --offline
    wait_for 10 on m2 test -s $STATE_FOLDER/offline
    on m2 swarmctl leave
    wiped m2
}

# ---- who is not systemd

strangers() {
    begin
    service web --unit web.service --secret pw
    unit m2 web.service
    wait_for 10 gets m2 web.service pw hunter2
    on m2 python3 - <<'PYTHON'
import ctypes, os, socket, sys, time
PATH = '/run/swarm-manager/credentials.sock'

def dial(name=None, path=PATH):
    s = socket.socket(socket.AF_UNIX)
    if name:
        s.bind('\0' + name)
    s.connect(path)
    return s

def answer(s):
    s.settimeout(20)
    data = b''
    while chunk := s.recv(1 << 16):
        data += chunk
    return data

def denied(data):
    return len(data) > 1 << 20 and not data.strip(b'\0')

assert denied(answer(dial()))
assert denied(answer(dial('1f/unit/web.service/pw')))
assert denied(answer(dial('1f/unit/web.service')))
assert denied(answer(dial('zz/unit/web.service/pw')))

# a namespace of its own, in which it is root
def inside(flags, path=PATH):
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).unshare(flags)
        try: os._exit(0 if denied(answer(dial('2f/unit/web.service/pw', path))) else 1)
        except OSError: os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert inside(0x20000) == 0               # mounts
assert inside(0x40000000 | 0x20000) == 0  # network: another name space of addresses
assert inside(0x10000000) == 0            # users

# nobody else may even open it
pid = os.fork()
if pid == 0:
    os.setgid(65534); os.setuid(65534)
    try: dial('3f/unit/web.service/pw'); os._exit(1)
    except PermissionError: os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
PYTHON
    # a container with the socket, and a unit of that name in it
    on m2 sh -ec 'systemd-run -q --wait -p BindPaths=/run/swarm-manager -p PrivateUsers=yes -p PrivateMounts=yes --unit=boxed \
        python3 -c "
import socket
s = socket.socket(socket.AF_UNIX); s.bind(\"\0004f/unit/web.service/pw\"); s.connect(\"$0\")
n = 0
while c := s.recv(65536): n += len(c); assert not c.strip(b\"\0\")
assert n > 1 << 20
"' $SOCKET
    wait_for 5 on m2 sh -c 'journalctl -u swarm-manager -o cat | grep "is not in the cgroup of web.service"'
    gets m2 web.service pw hunter2
}

# hanging, and more than are let in
flood() {
    local before after
    before=$(on m2 sh -c 'grep VmRSS /proc/$(systemctl show -P MainPID swarm-manager)/status')
    on m2 python3 - <<'PYTHON' &
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (12000, 12000))
PATH = '/run/swarm-manager/credentials.sock'
all = []
for i in range(10000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    s.bind('\0%x/unit/web.service/pw' % i)
    for attempt in range(2000):
        try: s.connect(PATH); break
        except BlockingIOError: time.sleep(0.001)
    else: raise SystemExit(f'only {i} connections')
    all.append(s)
time.sleep(4)
PYTHON
    sleep 2
    for _ in 1 2 3; do within 20 starts m2 web.service; loaded m2 web.service pw hunter2; done
    wait
    gets m2 web.service pw hunter2
    after=$(on m2 sh -c 'grep VmRSS /proc/$(systemctl show -P MainPID swarm-manager)/status')
    echo "before $before, after $after"
    ((${after//[!0-9]/} < ${before//[!0-9]/} + 20000))
}

case_ granted-on-manager-and-workers granted
case_ refused-by-unit-and-credential refused_by_name
case_ refused-by-label-and-role refused_by_constraint
case_ template-units templates
case_ longest-names names
case_ largest-data sizes
case_ two-hundred-at-once crowd
case_ users-namespaces-slices kinds_of_units
case_ locked-manager-holds locked_manager
case_ worker-cut-off-serves cut_off
case_ removed-node-forgets node_removed
case_ promoted-demoted-left roles_change
case_ offline-before-the-network offline
case_ strangers-get-nothing strangers
case_ ten-thousand-connections flood
