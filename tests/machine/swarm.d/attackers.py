# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a machine that is no member of the swarm: what such a machine, or a thief with somebody's certificate, may try at a manager's port.

attackers.py dial ADDRESS ALPN [--certificate NAME] [--say raft|half|call|key|junk] [--tls12] [--seconds N]
                                 a handshake, then some words; prints what the manager made of it: refused (closed, nothing said), answered or kept
attackers.py unread ADDRESS NAME SECONDS   with that certificate: asks and asks, and reads no answer; prints whether it was cut off
attackers.py certificate NAME --ca NAME --swarm ID --node ID --role ROLE [--days FROM TO]
attackers.py ca NAME --swarm ID  another authority that calls itself the same
attackers.py relay PORT ADDRESS FILE    passes connections on, one after the other, and keeps what the clients sent
attackers.py replay ADDRESS FILE        sends it all again
attackers.py flood KIND ADDRESS SECONDS COUNT   half-open, garbage, slow or all; prints what it did
attackers.py sink PORT SECONDS   is no manager, but treats connections alike: what a flood costs the machine, and no manager

A NAME is that of NAME.key and NAME.pem in the folder.
"""

import argparse
import collections
import json
import os
import random
import selectors
import socket
import ssl
import struct
import subprocess
import sys
import time

FOLDER = "/run/attack"
NAMED_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def path(name, suffix):
    return os.path.join(FOLDER, f"{name}.{suffix}")


def split(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


# ---- certificates

def make_ca(name, swarm):
    openssl("req", "-x509", *NAMED_CURVE, "-keyout", path(name, "key"), "-out", path(name, "pem"), "-days", "30", "-subj", f"/O={swarm}/CN=swarm-ca",
            "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificate(name, ca, swarm, node, role, days):
    """Of the form that docs/FORMATS.md gives, valid from and to so many days from now."""
    stamp = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * day)) for day in days]
    openssl("req", "-x509", *NAMED_CURVE, "-keyout", path(name, "key"), "-out", path(name, "pem"), "-CA", path(ca, "pem"), "-CAkey", path(ca, "key"),
            "-not_before", stamp[0], "-not_after", stamp[1], "-subj", f"/O={swarm}/OU={role}/CN={node}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature",
            "-addext", "extendedKeyUsage=serverAuth,clientAuth", "-addext", f"subjectAltName=DNS:{node},DNS:{role}")


# ---- one connection

def context(alpn, certificate=None, tls12=False):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if alpn != "none":
        c.set_alpn_protocols([alpn])
    if tls12:
        c.maximum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        c.load_cert_chain(path(certificate, "pem"), path(certificate, "key"))
    return c


def words(what):
    if what == "half":  # of a preamble: the manager waits for the rest
        return b"SWRM\x01\x00\x00"
    if what == "raft":  # a preamble, then what raft_uv would begin with
        address = b"10.213.0.4:2377"
        return b"SWRM\x01\x00" + struct.pack(">HQ", len(address), 4711) + address + struct.pack("<QQ", 1, 24) + bytes(24)
    if what == "call":  # a frame that is none of the protocol's requests
        return frame(b"\xff" * 8)
    if what == "key":  # FetchUnlockKey
        return frame(b"\x32\x00")
    return b"\xff" + os.urandom(300)  # longer than a frame may be


def frame(message):
    payload = b"swq\x01" + struct.pack("<I", len(message)) + message + bytes(-len(message) % 8)
    return struct.pack(">I", len(payload) + 10) + b"\x01?" + struct.pack(">Q", 1) + payload


def listen(s, seconds):
    """(bytes that came, whether the other side closed)"""
    came, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            data = s.recv(65536)
        except (TimeoutError, socket.timeout):
            return came, False
        except (ssl.SSLError, OSError) as e:
            print(f"closed: {e}")
            return came, True
        if not data:
            return came, True
        came += data
    return came, False


def dial(address, alpn, certificate, say, tls12, seconds):
    s = socket.create_connection(split(address), timeout=10)
    try:
        s = context(alpn, certificate, tls12).wrap_socket(s)
        s.sendall(words(say))
    except (ssl.SSLError, OSError) as e:
        print(f"handshake: {e}")
        return "refused"
    came, closed = listen(s, seconds)
    print(f"{len(came)} bytes came, {'closed' if closed else 'open'} after at most {seconds} s; {s.version()} {s.selected_alpn_protocol()}")
    return "answered" if came else "refused" if closed else "kept"


def unread(address, name, seconds):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.settimeout(10)
    s.connect(split(address))
    s = context("swarm-call/1", name).wrap_socket(s)
    many, sent, deadline = words("call") * 200, 0, time.monotonic() + seconds
    s.settimeout(1)
    while time.monotonic() < deadline:
        try:
            sent += s.send(many)
        except (TimeoutError, socket.timeout, ssl.SSLWantWriteError):
            pass  # the manager reads no further
        except (ssl.SSLError, OSError) as e:
            return f"{sent} bytes sent, then cut off: {e}"
    return f"{sent} bytes sent, still connected after {seconds} s"


# ---- what others said, again

def relay(port, address, file):
    server = socket.create_server(("0.0.0.0", port))
    server.settimeout(30)
    kept = []
    print("ready", flush=True)
    try:
        while True:
            client, _ = server.accept()
            server.settimeout(3)  # the joining machine goes to the manager itself from then on
            kept.append(relay_one(client, socket.create_connection(split(address))))
    except (TimeoutError, socket.timeout):
        pass
    with open(file, "wb") as out:
        out.write(json.dumps([data.hex() for data in kept]).encode())
    print(f"kept {len(kept)} connections, {sum(map(len, kept))} bytes")


def relay_one(client, manager):
    said, s = b"", selectors.DefaultSelector()
    s.register(client, selectors.EVENT_READ, manager)
    s.register(manager, selectors.EVENT_READ, client)
    while True:
        for key, _ in s.select():
            try:
                data = key.fileobj.recv(65536)
                key.data.sendall(data)
            except OSError:
                data = b""
            if not data:
                client.close()
                manager.close()
                return said
            said += data if key.fileobj is client else b""


def replay(address, file):
    with open(file) as source:
        kept = [bytes.fromhex(data) for data in json.load(source)]
    for data in kept:
        s = socket.create_connection(split(address), timeout=10)
        try:
            s.sendall(data)
        except OSError:
            pass
        came, closed = listen(s, 15)
        # a server's first flight and an alert, at most: never the encrypted answer to a request
        print(f"sent {len(data)} bytes, {len(came)} came back, {'closed' if closed else 'open'}")
        if not closed:
            return "kept"
    return "refused" if kept else "nothing was kept"


# ---- many connections

def hello():
    """A true ClientHello, which wants an answer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context("swarm-call/1").wrap_bio(incoming, outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Flood:
    """Keeps count connections of a kind; one that the manager closes is opened again, but not more than 400 in a second."""

    def __init__(self, kind, address, seconds, count):
        self.kind, self.address, self.count = kind, split(address), count
        self.deadline = time.monotonic() + seconds
        self.open, self.parked, self.counts = {}, [], collections.Counter()
        self.selector = selectors.DefaultSelector()
        self.chance, self.hello = random.Random(1), hello()
        self.most = 0

    def kind_of(self):
        return self.chance.choice(["half-open", "garbage", "slow"]) if self.kind == "all" else self.kind

    def connect(self):
        s = socket.socket()
        s.setblocking(False)
        if s.connect_ex(self.address) not in (0, 115):
            s.close()
            self.counts["not connected"] += 1
            return
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        kind = self.kind_of()
        self.open[s] = kind
        self.counts[kind] += 1
        self.selector.register(s, selectors.EVENT_WRITE if kind != "half-open" else selectors.EVENT_READ)

    def close(self, s):
        self.selector.unregister(s)
        del self.open[s]
        s.close()

    def garbage(self):
        return self.chance.choice([
            os.urandom(200), b"GET / HTTP/1.1\r\nHost: m1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(400), self.hello[:100] + os.urandom(200),
            b"\x16\x03\x03\x40\x00" + os.urandom(16384), b"SSH-2.0-x\r\n", struct.pack(">I", 0xFFFFFFFF) + b"\x01?" + bytes(100)])

    def ready(self, s, events):
        kind = self.open[s]
        try:
            if events & selectors.EVENT_WRITE:
                s.send(self.garbage() if kind == "garbage" else self.hello)
                self.selector.modify(s, selectors.EVENT_READ)
                if kind == "slow":
                    self.park(s)
            elif not s.recv(65536):
                self.counts["closed by the manager"] += 1
                self.close(s)
        except OSError:
            self.counts["closed by the manager"] += 1
            self.close(s)

    def park(self, s):
        """Asked, and does not take the answer. Whether the manager has given up shows when it is looked at again."""
        self.selector.unregister(s)
        self.parked.append((time.monotonic() + 5, s))

    def look_again(self, now):
        while self.parked and self.parked[0][0] < now:
            _, s = self.parked.pop(0)
            self.selector.register(s, selectors.EVENT_READ)

    def run(self):
        allowance, last = float(self.count), time.monotonic()  # all at once
        while (now := time.monotonic()) < self.deadline:
            allowance, last = min(max(400.0, allowance), allowance + 400 * (now - last)), now
            while len(self.open) < self.count and allowance >= 1:
                allowance -= 1
                self.connect()
            if self.most < len(self.open):
                self.most = len(self.open)
                if self.most == self.count:
                    print("all have come", flush=True)
            for key, events in self.selector.select(0.02):
                if key.fileobj in self.open:
                    self.ready(key.fileobj, events)
            self.look_again(now)
        return {"most at once": self.most, **self.counts}


def sink(port, seconds):
    """Answers a ClientHello with as much as a handshake's first flight has, hangs up on other words, and keeps 64 connections at most."""
    server, open_, selector = socket.create_server(("0.0.0.0", port), backlog=256), collections.OrderedDict(), selectors.DefaultSelector()
    server.setblocking(False)
    selector.register(server, selectors.EVENT_READ)
    deadline, accepted = time.monotonic() + seconds, 0

    def hang_up(s):
        selector.unregister(s)
        del open_[s]
        s.close()

    print("ready", flush=True)
    while time.monotonic() < deadline:
        for key, _ in selector.select(0.1):
            s = key.fileobj
            try:
                if s is server:
                    s, _ = server.accept()
                    s.setblocking(False)
                    accepted += 1
                    open_[s] = None
                    selector.register(s, selectors.EVENT_READ)
                    if len(open_) > 64:
                        hang_up(next(iter(open_)))
                elif s not in open_:
                    pass  # hung up on in this turn
                elif s.recv(65536)[:3] == b"\x16\x03\x01":
                    s.send(bytes(3000))
                else:
                    hang_up(s)
            except OSError:
                if s in open_:
                    hang_up(s)
    return f"accepted {accepted} connections"


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("dial")
    verb.add_argument("address")
    verb.add_argument("alpn")
    verb.add_argument("--certificate")
    verb.add_argument("--say", default="call")
    verb.add_argument("--tls12", action="store_true")
    verb.add_argument("--seconds", type=float, default=3)
    verb = verbs.add_parser("ca")
    verb.add_argument("name")
    verb.add_argument("--swarm", required=True)
    verb = verbs.add_parser("certificate")
    verb.add_argument("name")
    for option in ("--ca", "--swarm", "--node", "--role"):
        verb.add_argument(option, required=True)
    verb.add_argument("--days", type=float, nargs=2, default=[-1, 30])
    for name in ("relay", "replay"):
        verb = verbs.add_parser(name)
        if name == "relay":
            verb.add_argument("port", type=int)
        verb.add_argument("address")
        verb.add_argument("file")
    verb = verbs.add_parser("unread")
    verb.add_argument("address")
    verb.add_argument("name")
    verb.add_argument("seconds", type=float)
    verb = verbs.add_parser("sink")
    verb.add_argument("port", type=int)
    verb.add_argument("seconds", type=float)
    verb = verbs.add_parser("flood")
    verb.add_argument("kind", choices=["half-open", "garbage", "slow", "all"])
    verb.add_argument("address")
    verb.add_argument("seconds", type=float)
    verb.add_argument("count", type=int)
    chosen = vars(parser.parse_args())
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    verb = chosen.pop("verb")
    if verb == "flood":
        print(json.dumps(Flood(**chosen).run()))
    elif verb == "ca":
        make_ca(**chosen)
    elif verb == "certificate":
        make_certificate(**chosen)
    else:
        print({"dial": dial, "unread": unread, "relay": relay, "replay": replay, "sink": sink}[verb](**chosen))


if __name__ == "__main__":
    sys.exit(main())
