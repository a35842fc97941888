# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a manager's machine, as root: load.py SECONDS CALLERS makes and removes secrets through root's socket, each caller one after the other, and
prints how many changes of the swarm were acknowledged per second, and how much of a processor the manager took. It speaks D-Bus itself: starting swarmctl for each would cost more than the change."""

import array
import fcntl
import os
import socket
import struct
import sys
import threading
import time

CPU = "/sys/fs/cgroup/system.slice/swarm-manager.service/cpu.stat"
SOCKET = "/run/swarm-manager/private"
OBJECT, INTERFACE = b"/org/swarm/Manager1", b"org.swarm.Manager1"
F_ADD_SEALS, ALL_SEALS = 1033, 0xF


def padded(data, alignment=8):
    return data + bytes(-len(data) % alignment)


def string(text):
    return struct.pack("<I", len(text)) + text + b"\0"


def field(number, kind, value):
    return padded(bytes([number, 1]) + kind + b"\0" + value)


def sealed(data):
    fd = os.memfd_create("load", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)
    return fd


class Bus:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(SOCKET)
        self.s.sendall(b"\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += self.s.recv(256)
        assert answer.startswith(b"OK ") and b"AGREE_UNIX_FD" in answer, answer
        self.s.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.call(b"Info", b"", b"")  # a descriptor that comes with BEGIN would be refused

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.s.recv(size - len(data))
            if not more:
                raise OSError("the manager hung up")
            data += more
        return data

    def call(self, method, signature, body, fds=()):
        self.serial += 1
        fields = field(1, b"o", string(OBJECT)) + field(2, b"s", string(INTERFACE)) + field(3, b"s", string(method))
        fields += field(9, b"u", struct.pack("<I", len(fds))) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature + b"\0"
        message = padded(struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), self.serial, len(fields)) + fields) + body
        self.s.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        while True:
            _, kind, _, _, size, _, length = struct.unpack("<cBBBIII", self.read(16))
            rest = self.read(length + -length % 8 + size)
            if kind == 3:
                raise OSError(f"{method.decode()}: {rest[-size:].decode(errors='replace')}")
            if kind == 2:
                return


class Caller(threading.Thread):
    def __init__(self, number, end):
        super().__init__(daemon=True)
        self.number, self.end, self.done, self.failure = number, end, 0, None

    def run(self):
        try:
            self.work()
        except OSError as e:
            self.failure = str(e)

    def work(self):
        bus, payload = Bus(), os.urandom(192)
        while time.monotonic() < self.end:
            name = string(b"load-%d-%d-%d" % (os.getpid(), self.number, self.done))
            fd = sealed(payload)
            # the empty list of labels: its length, then up to where an item would begin
            bus.call(b"CreateSecret", b"sa{ss}h", padded(padded(name, 4) + struct.pack("<I", 0)) + struct.pack("<I", 0), [fd])
            os.close(fd)
            bus.call(b"RemoveSecret", b"s", name)
            self.done += 2


def cpu_seconds():
    with open(CPU) as stat:
        return int(stat.readline().split()[1]) / 1e6  # usage_usec


def main(seconds, callers):
    begin, cpu = time.monotonic(), cpu_seconds()
    all_of_them = [Caller(i, begin + seconds) for i in range(callers)]
    for caller in all_of_them:
        caller.start()
    for caller in all_of_them:
        caller.join()
    for caller in all_of_them:
        if caller.failure:
            sys.exit(caller.failure)
    spent = time.monotonic() - begin
    print(f"{sum(caller.done for caller in all_of_them) / spent:.1f} {(cpu_seconds() - cpu) / spent:.4f}")


main(float(sys.argv[1]), int(sys.argv[2]))
