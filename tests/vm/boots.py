#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots of locked managers on virtual machines: boots.py IMAGES CONSOLES [BOOT…]. Prints `ok NAME` or `not ok NAME: reason` for each; what
stood on the consoles is left in CONSOLES."""
import os
import re
import shutil
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import Failure, Machine, overlay  # noqa: E402

IMAGES, CONSOLES, *CHOSEN = sys.argv[1:]
WORK = os.path.join(os.path.dirname(CONSOLES), 'work')
PROMPT = 'Please enter the unlock key of swarm node v1'
DISK_PROMPT = 'Please unlock disk root'
DISK_PASSPHRASE = os.environ['DISK_PASSPHRASE']  # of the encrypted image
# As swarm-manager.service(8) has it: the boot waits for the key, and the console is the prompt's.
AT_BOOT = '''mkdir -p /etc/systemd/system/swarm-manager.service.d
printf '[Unit]\\nBefore=systemd-user-sessions.service\\n' >/etc/systemd/system/swarm-manager.service.d/boot.conf'''
# For a TPM that is replaced: with the default the sealed keys are the lost machine's, too.
SEAL_BY_HOST_KEY = '''mkdir -p /etc/systemd/system/swarm-seal@.service.d
printf '[Service]\\nExecStart=\\nExecStart=systemd-creds encrypt --with-key=host --name=swarm_keys - -\\n' >/etc/systemd/system/swarm-seal@.service.d/host.conf'''


class Boots:
    """The disks and TPMs of one case, and its transcript."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(WORK, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.disk = os.path.join(self.folder, 'disk.qcow2')
        self.tpm = os.path.join(self.folder, 'tpm')

    def boot(self, step, name='v1', disk=None, tpm='own'):
        say(f'{self.name}: {step}')
        transcript = os.path.join(CONSOLES, f'{self.name}-{step}.txt')
        return Machine(self.folder, name, disk or self.disk, self.tpm if tpm == 'own' else tpm, transcript)

    def make_swarm(self, image, before='', methods=(), disk_prompt=False):
        """A manager with autolock on this case's disk; self.key is its unlock key."""
        overlay(self.disk, os.path.join(IMAGES, image))
        with self.boot('setup') as m:
            if disk_prompt:
                m.expect(DISK_PROMPT)
                m.type(DISK_PASSPHRASE)
            m.wait('swarmctl info | grep -qx "Swarm: inactive"')
            m.run(f'{before}\n{AT_BOOT}\nsystemctl daemon-reload')
            self.key = re.search(r'SWMKEY-1-[A-Za-z0-9+/_=-]+', m.run('swarmctl init --autolock'))[0]
            m.run('printf s3cret | swarmctl secret create db-password -')
            say(f'{self.name}: TPM: ' + m.run('systemd-analyze has-tpm2', check=False).replace('\n', ' '))
            for command in methods:
                say(f'{self.name}: {command}: ' + m.run(command))
            m.power_off()


def say(text):
    print(text, file=sys.stderr, flush=True)


def is_locked(m):
    m.wait('swarmctl info | grep -qx "Swarm: locked"')
    state = m.run('systemctl is-system-running', check=False)
    if state != 'starting':
        raise Failure(f'the boot does not wait: it is {state}')


def is_up(m):
    """The boot is over, the login prompt is there, and the manager works."""
    m.expect('v1 login: ')
    m.run('swarmctl info | grep -qx "Swarm: active"')
    m.run('swarmctl secret ls | grep -q db-password')
    m.wait('systemctl is-system-running | grep -qx running || { systemctl --failed --no-legend; false; }')
    if m.run('ls /run/systemd/ask-password/ask.* 2>/dev/null; true'):
        raise Failure('a prompt is left')


def locked():
    """Autolock, no method: the prompt stands on the serial console, the key is typed, the boot ends."""
    b = Boots('locked')
    b.make_swarm('plain.raw')
    with b.boot('boot') as m:
        m.expect(PROMPT)
        is_locked(m)
        m.type('SWMKEY-1-not-that-one')
        m.expect(PROMPT)
        m.type(b.key)
        is_up(m)
        m.power_off()


def tang():
    """Tang on another machine: boots with nobody there."""
    b = Boots('tang')
    server_disk = overlay(os.path.join(b.folder, 'server.qcow2'), os.path.join(IMAGES, 'plain.raw'))
    with b.boot('server', 't1', server_disk, None) as server:
        server.run('systemctl start tangd.socket')
        b.make_swarm('plain.raw', methods=('swarmctl keyslot add tang --trust-first http://t1', 'swarmctl keyslot ls'))
        with b.boot('boot') as m:
            is_up(m)
            m.run('journalctl -b -u swarm-manager | grep -i unlocked')
            m.power_off()
        server.run('systemctl stop tangd.socket')
        with b.boot('boot-without-server') as m:
            m.expect(PROMPT)
            is_locked(m)
            server.run('systemctl start tangd.socket')
            is_up(m)
            m.power_off()


def tpm2():
    """A TPM2's slot: boots with nobody there; with another TPM the prompt stands."""
    b = Boots('tpm2')
    b.make_swarm('plain.raw', SEAL_BY_HOST_KEY, ('swarmctl keyslot add tpm2', 'swarmctl keyslot ls'))
    with b.boot('boot') as m:
        is_up(m)
        m.power_off()
    with b.boot('boot-other-tpm', tpm=os.path.join(b.folder, 'other-tpm')) as m:
        m.expect(PROMPT)
        is_locked(m)
        m.type(b.key)
        is_up(m)
        m.power_off()


def stolen_disk():
    """Sealed to the TPM, as it is by itself: on another machine not even the unlock key opens the disk, and the journal says why."""
    b = Boots('stolen-disk')
    b.make_swarm('plain.raw')
    with b.boot('boot-other-tpm', tpm=os.path.join(b.folder, 'other-tpm')) as m:
        m.wait('systemctl show -P Result swarm-manager | grep -v success')
        m.wait('journalctl -b | grep "cannot be decrypted on this machine"')
        m.expect('v1 login: ')
        m.power_off()


def plymouth():
    """Plymouth is installed: it asks."""
    b = Boots('plymouth')
    b.make_swarm('plymouth.raw')
    with b.boot('boot') as m:
        m.expect(PROMPT)
        is_locked(m)
        m.run('plymouth --ping')
        m.run('systemctl is-active systemd-ask-password-plymouth.service')
        m.type(b.key)
        is_up(m)
        m.power_off()


def encrypted():
    """The root disk is encrypted, too: two prompts, one after the other, and each takes its own secret only."""
    b = Boots('encrypted')
    b.make_swarm('encrypted.raw', disk_prompt=True)
    with b.boot('boot') as m:
        m.expect(DISK_PROMPT)
        m.type(b.key)
        m.expect(DISK_PROMPT)
        m.type(DISK_PASSPHRASE)
        m.expect(PROMPT)
        is_locked(m)
        m.type(DISK_PASSPHRASE)
        m.expect(PROMPT)
        m.type(b.key)
        is_up(m)
        m.power_off()


BOOTS = {'locked': locked, 'tang': tang, 'tpm2': tpm2, 'stolen-disk': stolen_disk, 'plymouth': plymouth, 'encrypted': encrypted}


def main():
    os.makedirs(CONSOLES, exist_ok=True)
    unknown = set(CHOSEN) - set(BOOTS)
    if unknown:
        sys.exit(f'no such boot: {", ".join(unknown)}; there are {", ".join(BOOTS)}')
    failed = 0
    for name, boot in BOOTS.items():
        if CHOSEN and name not in CHOSEN:
            continue
        start = time.monotonic()
        try:
            boot()
            print(f'ok vm:{name} ({time.monotonic() - start:.0f} s)', flush=True)
            shutil.rmtree(os.path.join(WORK, name))
        except Exception as e:
            failed += 1
            traceback.print_exc()
            print(f'not ok vm:{name}: {" ".join(str(e).split())[:600]}', flush=True)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
