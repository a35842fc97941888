#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# In a machine: gives it a simulated TPM, and the helpers a way to it. A container has no /dev/tpmrm0; SYSTEMD_TPM2_DEVICE and TPM2TOOLS_TCTI
# stand in for that.
set -eu
system=/etc/systemd/system

cat >$system/swtpm.service <<EOF
[Unit]
Description=Simulated TPM

[Service]
Type=exec
RuntimeDirectory=swtpm
RuntimeDirectoryMode=0755
StateDirectory=swtpm
ExecStart=swtpm socket --tpm2 --tpmstate dir=/var/lib/swtpm --flags not-need-init,startup-clear \\
    --server type=unixio,path=/run/swtpm/tpm,mode=0660,gid=$(getent group tss | cut -d: -f3) \\
    --ctrl type=unixio,path=/run/swtpm/tpm.ctrl,mode=0660,gid=$(getent group tss | cut -d: -f3)
ExecStartPost=sh -c 'until [ -S /run/swtpm/tpm ] && [ -S /run/swtpm/tpm.ctrl ]; do sleep 0.02; done'
EOF

# The kernel's resource manager lets clients in at once and removes what they leave behind. Here is none: one client at a time.
cat >/usr/local/bin/with-swtpm <<'EOF'
#!/bin/sh
export SYSTEMD_TPM2_DEVICE=swtpm:path=/run/swtpm/tpm TPM2TOOLS_TCTI=swtpm:path=/run/swtpm/tpm
exec 9</run/swtpm
flock 9
for left in --transient-object --loaded-session --saved-session; do
    tpm2_flushcontext $left </dev/null >/dev/null 2>&1 9<&-
done
"$@" 9<&-
EOF
chmod 755 /usr/local/bin/with-swtpm

for helper in swarm-token swarm-clevis; do
    unit=/usr/lib/systemd/system/$helper@.service
    [ -e $unit ] || continue
    mkdir -p $system/$helper@.service.d
    cat >$system/$helper@.service.d/swtpm.conf <<EOF
[Unit]
Wants=swtpm.service
After=swtpm.service

[Service]
ExecStart=
ExecStart=/usr/local/bin/with-swtpm $(sed -n 's/^ExecStart=//p' $unit)
EOF
done
systemctl daemon-reload
systemctl start swtpm
