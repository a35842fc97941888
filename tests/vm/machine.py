# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine: UEFI firmware, a disk, a TPM, a serial console that a person would sit at, and a root shell beside it, on a second line."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pexpect

FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'
BOOT_SECONDS = 600  # without KVM, beside other work
SHELL_SECONDS = 300
MEMORY_MIB = 1024
ADDRESSES = {'v1': '10.213.1.1', 't1': '10.213.1.2'}
CONTROL = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]|\r')


class Failure(Exception):
    pass


def overlay(disk, backing):
    """A disk that begins as the other one is, which stays as it is."""
    form = 'raw' if backing.endswith('.raw') else 'qcow2'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', backing, '-F', form, disk], check=True)
    return disk


class Machine:
    def __init__(self, folder, name, disk, tpm, transcript, more_disks=()):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.transcript = open(transcript, 'ab')
        self.tpm = self.start_tpm(tpm) if tpm else None
        self.console = pexpect.spawn(self.command(disk, more_disks), timeout=BOOT_SECONDS, encoding=None, dimensions=(50, 200), maxread=65536)
        self.console.logfile_read = self.transcript
        self.shell = None

    def start_tpm(self, state):
        os.makedirs(state, exist_ok=True)
        self.tpm_socket = f'{self.folder}/{self.name}.tpm'
        process = subprocess.Popen(['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={state}', '--ctrl', f'type=unixio,path={self.tpm_socket}',
                                    '--terminate'], stdin=subprocess.DEVNULL)
        while not os.path.exists(self.tpm_socket):
            if process.poll() is not None:
                raise Failure('swtpm does not start')
            time.sleep(0.05)
        return process

    def command(self, disk, more_disks):
        variables = f'{self.folder}/{self.name}.vars'
        shutil.copyfile(VARIABLES, variables)
        self.shell_socket = f'{self.folder}/{self.name}.shell'
        other = 't1' if self.name == 'v1' else 'v1'
        network = (f'[Match]\\nMACAddress={self.mac()}\\n[Network]\\nAddress={ADDRESSES[self.name]}/24\\nLinkLocalAddressing=no\\n')
        words = ['qemu-system-x86_64', '-machine q35', '-accel tcg,thread=multi', '-cpu max', '-smp 2', f'-m {MEMORY_MIB}', '-nodefaults',
                 '-display none', '-no-reboot', '-device virtio-rng-pci',
                 f'-drive if=pflash,format=raw,readonly=on,file={FIRMWARE}', f'-drive if=pflash,format=raw,file={variables}',
                 f'-drive if=virtio,format=qcow2,cache=unsafe,file={disk}', '-serial stdio',
                 f'-chardev socket,id=shell,path={self.shell_socket},server=on,wait=off', '-serial chardev:shell',
                 f'-netdev dgram,id=net,local.type=unix,local.path={self.folder}/net-{self.name},'
                 f'remote.type=unix,remote.path={self.folder}/net-{other}',
                 f'-device virtio-net-pci,netdev=net,mac={self.mac()}',
                 f'-smbios type=11,value=io.systemd.credential:system.hostname={self.name}',
                 f"-smbios 'type=11,value=io.systemd.credential.binary:network.network.10-lan={encoded(network)}'"]
        for other_disk in more_disks:
            words.append(f'-drive if=virtio,format=raw,cache=unsafe,file={other_disk}')
        if self.tpm:
            words += [f'-chardev socket,id=tpm,path={self.tpm_socket}', '-tpmdev emulator,id=tpm0,chardev=tpm', '-device tpm-crb,tpmdev=tpm0']
        return ' '.join(words)

    def mac(self):
        return '52:54:00:00:01:0' + ADDRESSES[self.name][-1]

    def expect(self, pattern, seconds=BOOT_SECONDS):
        """Waits for a text on the console."""
        try:
            self.console.expect(pattern.encode(), timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF) as e:
            end = CONTROL.sub('', (self.console.before or b'').decode(errors='replace'))[-1500:]
            raise Failure(f'{"no" if isinstance(e, pexpect.TIMEOUT) else "ended without"} "{pattern}" on the console of {self.name}; it ends: {end}') from None

    def type(self, text):
        """As a person does: not faster than a serial line takes it."""
        for character in text + '\r':
            self.console.send(character.encode())
            time.sleep(0.02)

    def connect(self):
        """The shell of systemd.debug_shell=, which is there early in the boot."""
        deadline = time.monotonic() + BOOT_SECONDS
        while not os.path.exists(self.shell_socket):
            if time.monotonic() > deadline or not self.console.isalive():
                raise Failure(f'{self.name} was not switched on: {self.console.read()[-500:]}')
            time.sleep(0.1)
        line = socket.socket(socket.AF_UNIX)
        line.connect(self.shell_socket)
        line.settimeout(1)
        got = b''
        while b'READY-7' not in got:
            if time.monotonic() > deadline:
                raise Failure(f'no root shell on {self.name}: {got[-300:]}')
            line.sendall(b'\nstty -echo cols 1000; PS1=; PS2=; export PAGER=cat TERM=dumb; echo READY-$((3 + 4))\n')
            try:
                while b'READY-7' not in got:
                    got += line.recv(4096)
            except TimeoutError:
                pass
        self.shell = line
        time.sleep(1)
        self.run('true')

    def run(self, command, check=True, seconds=SHELL_SECONDS):
        """What the command prints; its exit status has to be 0 if `check`."""
        if not self.shell:
            self.connect()
        mark = f'END-{os.urandom(6).hex()}'
        self.shell.sendall(f'{{ {command}\n}} </dev/null 2>&1; echo "{mark[:8]}""{mark[8:]} $?"\n'.encode())
        got, deadline = '', time.monotonic() + seconds
        while not (end := re.search(mark + r' (\d+)', got)):
            if time.monotonic() > deadline:
                raise Failure(f'{self.name} does not answer to "{command}": {got[-500:]}')
            try:
                got += self.shell.recv(65536).decode(errors='replace')
            except TimeoutError:
                pass
        output = CONTROL.sub('', got[:end.start()]).strip('\n')
        if b'READY-7' in output.encode():
            output = output.split('READY-7')[-1].strip('\n')
        if check and end[1] != '0':
            raise Failure(f'"{command}" ended with {end[1]}: {output[-800:]}')
        return output

    def wait(self, command, seconds=SHELL_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.run(command)
            except Failure as e:
                if time.monotonic() > deadline:
                    raise Failure(f'still failing: {e}') from None
                time.sleep(1)

    def power_off(self):
        self.run('systemctl --no-block poweroff')
        self.console.expect(pexpect.EOF, timeout=BOOT_SECONDS)
        self.end()

    def end(self):
        if self.shell:
            self.shell.close()
        self.console.close(force=True)
        if self.tpm:
            self.tpm.send_signal(signal.SIGTERM)
            self.tpm.wait()
        for name in os.listdir(self.folder):
            if name in (f'net-{self.name}', f'{self.name}.tpm', f'{self.name}.shell'):
                os.unlink(f'{self.folder}/{name}')
        self.transcript.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.transcript.closed:
            self.end()


def encoded(text):
    import base64
    return base64.b64encode(text.replace('\\n', '\n').encode()).decode()
