# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine: UEFI firmware, a disk, a TPM, a serial console that a person would sit at, and a root shell beside it, on a second line."""
import base64
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'
BOOT_SECONDS = 1800  # without KVM, beside other work; where nothing else runs, a boot takes 30 s
SHELL_SECONDS = 600
MEMORY_MIB = 1024
# Without what costs an emulator most: a fifth level of page tables, access checks, string instructions that are fast on real processors only.
PROCESSOR = 'max,la57=off,smap=off,smep=off,umip=off,pku=off,erms=off,fsrm=off'
ADDRESSES = {'v1': '10.213.1.1', 't1': '10.213.1.2'}
CONTROL = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78]|\r')


class Failure(Exception):
    pass


def overlay(disk, backing):
    """A disk that begins as the other one is, which stays as it is."""
    form = 'raw' if backing.endswith('.raw') else 'qcow2'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', backing, '-F', form, disk], check=True)
    return disk


def plain(text):
    """Without what moves a cursor or colours."""
    return CONTROL.sub('', text.decode(errors='replace'))


class Line:
    """One of its serial lines. It is read all the time: a few hundred bytes that nobody reads fill the socket, and qemu drops the rest."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.got, self.arrived = b'', threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            while got := self.socket.recv(65536):
                with self.arrived:
                    self.got += got
                    self.arrived.notify_all()
        except OSError:
            pass  # closed

    def take(self, seconds):
        """What has arrived, or arrives within that time."""
        with self.arrived:
            if not self.got:
                self.arrived.wait(seconds)
            got, self.got = self.got, b''
            return got

    def send(self, data):
        self.socket.sendall(data)


class Machine:
    def __init__(self, folder, name, disk, tpm, transcript):
        self.folder, self.name, self.transcript = folder, name, transcript
        self.seen = 0
        self.has_shell = False
        open(transcript, 'wb').close()
        self.tpm = self.start_tpm(tpm) if tpm else None
        self.qemu = subprocess.Popen(self.command(disk), stdin=subprocess.DEVNULL)
        self.keyboard, self.shell = self.connect('console'), self.connect('shell')

    def path(self, what):
        return os.path.join(self.folder, f'{self.name}.{what}')

    def start_tpm(self, state):
        if not os.path.exists(state):
            os.makedirs(state)
            # One bank: the firmware digests all that it loads for each of them.
            subprocess.run(['swtpm_setup', '--tpm2', '--tpmstate', f'dir://{state}', '--pcr-banks', 'sha256'], check=True, stdout=subprocess.DEVNULL)
        process = subprocess.Popen(['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={state}', '--ctrl', f'type=unixio,path={self.path("tpm")}',
                                    '--terminate'], stdin=subprocess.DEVNULL)
        while not os.path.exists(self.path('tpm')):
            if process.poll() is not None:
                raise Failure('swtpm does not start')
            time.sleep(0.05)
        return process

    def command(self, disk):
        variables = self.path('variables')
        shutil.copyfile(VARIABLES, variables)
        mac = '52:54:00:00:01:0' + ADDRESSES[self.name][-1]
        other = 't1' if self.name == 'v1' else 'v1'
        network = f'[Match]\nMACAddress={mac}\n[Network]\nAddress={ADDRESSES[self.name]}/24\nLinkLocalAddressing=no\n'
        words = f'''qemu-system-x86_64 -machine q35,sata=off,smbus=off,usb=off -accel tcg,thread=multi -cpu {PROCESSOR} -smp 2 -m {MEMORY_MIB}
            -nodefaults -display none -no-reboot
            -device virtio-rng-pci
            -drive if=pflash,format=raw,readonly=on,file={FIRMWARE} -drive if=pflash,format=raw,file={variables}
            -drive if=none,id=disk,format=qcow2,cache=unsafe,file={disk} -device virtio-blk-pci,drive=disk,bootindex=1
            -chardev socket,id=console,path={self.path("console")},server=on,wait=off,logfile={self.transcript} -serial chardev:console
            -chardev socket,id=shell,path={self.path("shell")},server=on,wait=off -serial chardev:shell
            -netdev dgram,id=net,local.type=unix,local.path={self.folder}/net-{self.name},remote.type=unix,remote.path={self.folder}/net-{other}
            -device virtio-net-pci,netdev=net,mac={mac},romfile=
            -smbios type=11,value=io.systemd.credential:system.hostname={self.name}
            -smbios type=11,value=io.systemd.credential.binary:network.network.10-lan={base64.b64encode(network.encode()).decode()}'''
        if self.tpm:
            words += f' -chardev socket,id=tpm,path={self.path("tpm")} -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0'
        return shlex.split(words)

    def connect(self, what):
        while not os.path.exists(self.path(what)):
            if self.qemu.poll() is not None:
                raise Failure(f'qemu does not start {self.name}')
            time.sleep(0.1)
        return Line(self.path(what))

    def said(self):
        """What came on the console since what was expected last."""
        with open(self.transcript, 'rb') as f:
            f.seek(self.seen)
            return f.read()

    def expect(self, pattern, seconds=BOOT_SECONDS):
        """Waits for a text on the console. Colours may stand between its words, so it is looked for without them."""
        deadline = time.monotonic() + seconds
        while True:
            off = self.qemu.poll() is not None
            said = self.said()
            if re.search(pattern, plain(said)):
                self.seen += len(said)
                return
            if off or time.monotonic() > deadline:
                raise Failure(f'no "{pattern}" on the console of {self.name}{" before it went off" if off else ""}; it ends: {plain(said)[-1200:]}')
            time.sleep(0.2)

    def type(self, text):
        """As a person does: not faster than a serial line takes it."""
        time.sleep(1)
        for character in text + '\r':
            self.keyboard.send(character.encode())
            time.sleep(0.02)

    def find_shell(self):
        """The shell of systemd.debug_shell=, which is there early in the boot."""
        deadline = time.monotonic() + BOOT_SECONDS
        got = b''
        while b'READY-7' not in got:
            if time.monotonic() > deadline or self.qemu.poll() is not None:
                raise Failure(f'no root shell on {self.name}: {plain(got)[-300:]}; the console ends: {plain(self.said())[-800:]}')
            if b'#' in got:
                self.shell.send(b"stty -echo cols 1000; PS1=; PS2=; export PAGER=cat TERM=dumb; echo READY-$((3 + 4))\n")
                got = self.shell.take(5)
            else:
                got += self.shell.take(1)
        self.has_shell = True
        self.run('true')

    def run(self, command, check=True, seconds=SHELL_SECONDS):
        """What the command prints; its exit status has to be 0 if `check`."""
        if not self.has_shell:
            self.find_shell()
        mark = os.urandom(8).hex()
        self.shell.send(f'{{ {command}\n}} </dev/null 2>&1; echo "{mark[:8]}""{mark[8:]} $?"\n'.encode())
        got, deadline = b'', time.monotonic() + seconds
        while not (end := re.search(mark.encode() + rb' (\d+)\r?\n', got)):
            if time.monotonic() > deadline or self.qemu.poll() is not None:
                raise Failure(f'{self.name} does not answer to "{command}": {plain(got)[-500:]}')
            got += self.shell.take(1)
        output = plain(got[:end.start()]).strip('\n')
        if check and end[1] != b'0':
            raise Failure(f'"{command}" ended with {end[1].decode()}: {output[-800:]}')
        return output

    def wait(self, command, seconds=BOOT_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.run(command)
            except Failure as e:
                if time.monotonic() > deadline or self.qemu.poll() is not None:
                    raise Failure(f'still failing: {e}') from None
                time.sleep(1)

    def power_off(self):
        self.run('systemctl --no-block poweroff')
        deadline = time.monotonic() + BOOT_SECONDS
        while self.qemu.poll() is None:
            if time.monotonic() > deadline:
                raise Failure(f'{self.name} does not switch off; the console ends: {plain(self.said())[-500:]}')
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.qemu, self.tpm):
            if process:
                process.terminate()
                process.wait()
        for line in (self.keyboard, self.shell):
            line.socket.close()
        for path in (f'{self.folder}/net-{self.name}', self.path('tpm'), self.path('console'), self.path('shell')):
            if os.path.exists(path):
                os.unlink(path)
