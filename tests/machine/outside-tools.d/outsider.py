# SPDX-License-Identifier: LGPL-2.1-or-later
"""outsider.py ROUNDS SEED: runs on a manager's machine. Other tools change the lock and are killed at any moment, while the manager rotates
its key, adds and removes keyslots, and is restarted. Ends with 1 when something that its tool acknowledged does not open.
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

LOCK = "/var/lib/swarm-manager/keyslots.luks"
OPERATOR = "/root/operator"  # the passphrase by which the other tools get in
KEY = "/root/key"            # the newest unlock key, as the operator holds it
OTHERS_MAX = 3
OWN_MAX = 1
RESTART_EVERY = 20

rounds, seed = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
bindings = {}  # slot: the secret that its tool has acknowledged
counts = {}
failures = []
seconds = {}  # how long a tool took when it was left in peace


def count(what):
    counts[what] = counts.get(what, 0) + 1


def fail(text):
    failures.append(text)
    print(f"FAILED: {text}", flush=True)


def run(*args, data=b"", kill_after=None):
    """Status, output and errors; status None when it was killed. Files, because what a killed script leaves running keeps a pipe open."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(data)
        given.seek(0)
        child = subprocess.Popen(args, stdin=given, stdout=out, stderr=err, start_new_session=True)
        try:
            status = child.wait(120 if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = None
        out.seek(0)
        err.seek(0)
        return status, out.read().decode(), err.read().decode()


def opens(slot, secret):
    where = [] if slot is None else ["--key-slot", str(slot)]
    for _ in range(3):
        status, _, err = run("cryptsetup", "open", "--test-passphrase", *where, "--key-file", "-", LOCK, data=secret.encode())
        if status in (0, 2) or "No usable keyslot" in err:
            return status == 0
        time.sleep(0.1)
    fail(f"cryptsetup cannot read the lock: {err}")
    return False


def metadata():
    for _ in range(3):
        status, out, err = run("cryptsetup", "luksDump", "--dump-json-metadata", LOCK)
        if status == 0:
            return json.loads(out)
        time.sleep(0.1)
    fail(f"cryptsetup cannot read the lock: {err}")
    return {"keyslots": {}, "tokens": {}}


def slots_of(kind):
    return {int(s) for t in metadata()["tokens"].values() if t["type"] == kind for s in t["keyslots"]}


class Manager(threading.Thread):
    """What people do with swarmctl meanwhile. turn is held while the lock's state is not known."""

    def __init__(self):
        super().__init__()
        self.turn = threading.Lock()
        self.ends = False
        self.own = {}
        self.young = set()  # those of own that were made since the other tool was started
        self.restarts = False
        with open(KEY, encoding="ascii") as f:
            self.key = f.read().strip()
        self.chance = random.Random(seed + 1)

    def swarmctl(self, *args, data=b""):
        status, out, err = run("swarmctl", *args, data=data)
        count(f"swarmctl {args[0]}" + ("" if status == 0 else f" ended with {status}: {err.strip()}"))
        if status is None:
            fail(f"swarmctl {' '.join(args)} hangs")
        return out if status == 0 else None

    def rotate(self):
        out = self.swarmctl("unlock-key", "--rotate", "-q")
        if out:
            self.key = out.strip()
            with open(KEY, "w", encoding="ascii") as f:
                f.write(self.key + "\n")

    def add(self):
        out = self.swarmctl("keyslot", "add", "--json", "recovery")
        if out:
            added = json.loads(out)
            self.own[added["Keyslot"]] = added["RecoveryKey"]
            self.young.add(added["Keyslot"])

    def remove(self):
        slot, secret = self.own.popitem()
        if self.swarmctl("keyslot", "rm", str(slot)) is None:
            self.own[slot] = secret

    def restart(self):
        run("systemctl", "stop", "swarm-manager")
        run("systemctl", "start", "--no-block", "swarm-manager")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status, out, err = run("swarmctl", "unlock", data=self.key.encode() + b"\n")
            if status == 0:
                break
            time.sleep(0.2)
        else:
            fail(f"after a restart: {err.strip()}")
            self.ends = True
        count("restart")

    def check(self, tool):
        with self.turn:
            if not opens(None, self.key) and not (tool is bind_clevis and self.mended()):
                fail("the newest unlock key does not open the lock")
            for slot, secret in list(self.own.items()):
                if opens(slot, secret):
                    continue
                if tool is bind_clevis and slot in self.young:
                    count("clevis luks bind took an acknowledged keyslot back with the header")
                    del self.own[slot]
                else:
                    fail(f"the recovery key that swarmctl added in keyslot {slot} does not open it")

    def mended(self):
        """When clevis luks bind cannot end what it has begun, it puts a copy of the whole header back: with it goes whatever anybody has
        changed since it was started. The manager sees that and makes good what it knows, which is the unlock key's keyslots."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if opens(None, self.key):
                count("header put back by clevis luks bind, mended by the manager")
                return True
            time.sleep(0.2)
        return False

    def run(self):
        while not self.ends:
            with self.turn:
                if self.restarts:
                    self.restart()
                    self.restarts = False
                elif self.chance.random() < 0.6:
                    self.rotate()
                elif self.own and (len(self.own) >= OWN_MAX or self.chance.random() < 0.5):
                    self.remove()
                else:
                    self.add()
            time.sleep(self.chance.random() * 0.15)


def bind_clevis(kill_after):
    before = slots_of("clevis")
    status, _, err = run("clevis", "luks", "bind", "-y", "-k", OPERATOR, "-d", LOCK, "tang", '{"url":"http://t1"}', kill_after=kill_after)
    if status == 0:
        new = slots_of("clevis") - before
        if len(new) != 1:
            fail(f"clevis luks bind succeeded, and bound {new}")
            return status, err
        slot = new.pop()
        passed, secret, err = run("clevis", "luks", "pass", "-d", LOCK, "-s", str(slot))
        if passed != 0:
            fail(f"clevis luks bind succeeded, and keyslot {slot} does not open: {err}")
        bindings[slot] = secret
    return status, err


def enroll_recovery(kill_after):
    status, out, err = run("systemd-cryptenroll", f"--unlock-key-file={OPERATOR}", "--recovery-key", LOCK, kill_after=kill_after)
    if status == 0:
        bindings[int(err.split("key slot ")[1].split(".")[0])] = out.strip()
    return status, err


def add_passphrase(kill_after):
    free = [s for s in range(8) if str(s) not in metadata()["keyslots"]]
    if not free:
        return None, ""
    secret = f"word {chance.random()}"
    with tempfile.NamedTemporaryFile() as f:
        f.write(secret.encode())
        f.flush()
        pbkdf = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
        if chance.random() < 0.3:
            pbkdf = ["--pbkdf", "argon2id", "--pbkdf-memory", "32768", "--pbkdf-force-iterations", "4", "--pbkdf-parallel", "1"]
        slot = chance.choice(free)
        status, _, err = run("cryptsetup", "luksAddKey", "-q", *pbkdf, "--key-slot", str(slot), "--key-file", OPERATOR, LOCK, f.name,
                             kill_after=kill_after)
    if status == 0:
        bindings[slot] = secret
    return status, err


def take_away(kill_after):
    slot = chance.choice(list(bindings))
    del bindings[slot]
    if slot in slots_of("clevis"):
        tool = ["clevis", "luks", "unbind", "-f", "-d", LOCK, "-s", str(slot)]
    elif slot in slots_of("systemd-recovery"):
        tool = ["systemd-cryptenroll", f"--wipe-slot={slot}", LOCK]
    else:
        tool = ["cryptsetup", "luksKillSlot", "-q", "--key-file", OPERATOR, LOCK, str(slot)]
    status, _, err = run(*tool, kill_after=kill_after)
    return status, err


def look(_):
    status, out, err = run("clevis", "luks", "list", "-d", LOCK)
    for slot in [int(line.split(":")[0]) for line in out.splitlines()]:
        reported, _, _ = run("clevis", "luks", "report", "-q", "-d", LOCK, "-s", str(slot))
        count(f"clevis luks report ended with {reported}")
    return status, err


def tidy(manager):
    """What killed tools have left is removed as a person would: those keyslots that nobody knows of."""
    with manager.turn:
        known = set(bindings) | set(manager.own) | slots_of("swarm-unlock") | {1}
        for slot in [int(s) for s in metadata()["keyslots"] if int(s) not in known]:
            manager.swarmctl("keyslot", "rm", str(slot))


def one_round(manager):
    tools = [bind_clevis, bind_clevis, enroll_recovery, add_passphrase] if len(bindings) < OTHERS_MAX else []
    if bindings:
        tools += [take_away] * (1 if tools else 4) + [look]
    if manager.restarts:  # it would be restarted with a header put back, see mended()
        tools = [t for t in tools if t is not bind_clevis] or [look]
    tool = chance.choice(tools)
    manager.young.clear()
    kills = tool in seconds and chance.random() < 0.6
    began = time.monotonic()
    status, err = tool(chance.random() * seconds[tool] if kills else None)
    if not kills:
        seconds[tool] = time.monotonic() - began
    count(f"{tool.__name__} " + ("killed" if status is None else "done" if status == 0 else f"ended with {status}: {err.strip()[-200:]}"))
    for slot, secret in bindings.items():
        if not opens(slot, secret):
            fail(f"keyslot {slot}, which its tool acknowledged, does not open (after {tool.__name__}: {status} {err})")
    manager.check(tool)
    tidy(manager)


def main():
    manager = Manager()
    manager.start()
    began = time.monotonic()
    for n in range(rounds):
        one_round(manager)
        manager.restarts = manager.restarts or (n + 1) % RESTART_EVERY == 0
        if failures:
            print(f"in round {n}")
            break
    manager.ends = True
    manager.join()
    for what, n in sorted(counts.items()):
        print(f"{n:5} {what}")
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s")
    with open("/root/bindings", "w", encoding="utf-8") as f:
        json.dump(bindings | manager.own, f)
    sys.exit(1 if failures else 0)


main()
