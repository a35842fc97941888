# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 3
# shellcheck shell=bash
# Services as distributions ship them, with their real TLS key and password from the swarm: m1 is the manager, m2 a worker that runs them (m3 is in no swarm). And a
# container that pretends to be one of them.
# shellcheck source=/dev/null
source "$SANDBOX_LIB"
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/swarm.d/lib.sh"

FILES=${BASH_SOURCE[0]%.sh}.d

# certificate NAME: a key and a certificate in /run/NAME.{key,crt} on m1
certificate() {
    on m1 openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "/run/$1.key" -out "/run/$1.crt" -subj "/CN=$1" -days 1
}
serves() { [[ $(on m2 sh -c 'openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -subject') == *"CN"*"$1" ]]; }

# The key and the certificate belong together: both are stored before nginx is restarted for the second.
nginx() {
    new_swarm m1
    join m2 worker
    tar -C "$FILES" -c . | on m2 sh -ec 'mkdir -p /usr/local/lib && cd /usr/local/lib && tar -x && mv ./*.service /etc/systemd/system && systemctl daemon-reload
        mv nginx.conf /etc/nginx/conf.d/swarm.conf && rm -f /etc/nginx/sites-enabled/*'
    certificate first
    certificate second
    on m1 swarmctl secret create tls.key /run/first.key
    on m1 swarmctl config create tls.crt /run/first.crt
    on m1 swarmctl service create web --unit nginx.service --secret tls.key --config tls.crt --on-update restart --constraint node.role==worker
    not on m2 systemctl start nginx # it has no drop-in yet
    on m1 swarmctl service enable web
    wait_for 10 on m2 systemctl restart nginx
    serves first
    [[ $(on m2 curl -sk https://127.0.0.1/) == hello ]]
    not on m2 grep -rl 'PRIVATE KEY' /etc/nginx
    on m1 swarmctl service update --on-update none web
    on m1 swarmctl config update tls.crt /run/second.crt
    on m1 swarmctl service update --on-update restart web
    on m1 swarmctl secret update tls.key /run/second.key
    wait_for 10 serves second
}

# A role's password: one unit gives it to the server, another logs in with it.
logged_in() { [[ $(on m2 cat /run/app/who) == app ]]; }
refuses() { ! on m2 env PGPASSWORD="$1" psql -h 127.0.0.1 -U app -d postgres -At -c 'SELECT 1'; }

postgresql() {
    on m2 pg_createcluster 17 main --start
    printf %s 'it'"'"'s a "secret"' | on m1 swarmctl secret create db-password -
    on m1 swarmctl service create role --unit db-role.service --secret db-password
    on m1 swarmctl service create app --unit app.service --secret db-password
    on m1 swarmctl service enable role
    on m1 swarmctl service enable app
    wait_for 10 on m2 systemctl start db-role.service
    on m2 systemctl start app.service
    wait_for 10 logged_in
    refuses 'it'
    # a new password
    printf %s 'another one' | on m1 swarmctl secret update db-password -
    refuses 'another one'
    on m2 systemctl start db-role.service
    on m2 systemctl restart app.service
    wait_for 10 logged_in
    refuses 'it'"'"'s a "secret"'
}

# Root in a container, whose systemd has a unit of the name that the swarm knows.
container() {
    on m2 sh -ec '
        mkdir -p /run/box/etc/systemd/system /run/box/usr /run/box/var /run/box/tmp /run/box/root
        cp -a /etc/passwd /etc/group /etc/nsswitch.conf /run/box/etc/
        for l in bin sbin lib lib64; do ln -sfn usr/$l /run/box/$l; done
        tr -d - </proc/sys/kernel/random/uuid >/run/box/etc/machine-id # no first boot
        printf "ID=box\n" >/run/box/etc/os-release
        printf "[Service]\nType=oneshot\nLoadCredential=db-password:/run/swarm-manager/credentials.sock\nExecStart=cp %%d/db-password /root/got\n" \
            >/run/box/etc/systemd/system/app.service
        systemd-run --unit box -p Delegate=yes systemd-nspawn --quiet --boot --directory=/run/box --bind-ro=/usr --bind=/run/swarm-manager \
            --register=no --keep-unit --private-users=no --console=passive --machine=box'
    wait_for 30 inside systemctl is-active multi-user.target
    not inside systemctl start app.service
    [[ $(inside systemctl show -P ExecMainStatus app.service) == 243 ]]
    on m2 test ! -e /run/box/root/got
    on m2 sh -c 'journalctl -u swarm-manager -o cat | grep "is not in the cgroup of app.service"'
    on m2 systemctl stop box
    on m2 systemctl restart app.service
    wait_for 10 logged_in
}
inside() {
    # shellcheck disable=SC2016 # expanded inside
    on m2 sh -ec 'for p in $(cat $(find /sys/fs/cgroup/system.slice/box.service -name cgroup.procs)); do
            grep -q "^NSpid:.*[[:space:]]1$" /proc/$p/status && exec nsenter -t $p -a "$@"
        done; exit 1' sh "$@"
}

case_ nginx-has-its-tls-key nginx
case_ postgresql-has-its-password postgresql
case_ a-container-is-a-stranger container
