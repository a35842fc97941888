# SPDX-License-Identifier: LGPL-2.1-or-later
"""The person who holds the unlock keys: changes them, writes down each one that is shown, and unlocks managers with what is written down.

After a change that did not end well a person asks for the key again before changing it once more, as swarmctl(8) says; so does this one.
"""

import re
import threading
import time
from collections import Counter

import cluster

KEY = re.compile(r"SWMKEY-1-[A-Za-z0-9+/]{43}")
OFF = "no unlock key is set"


class Book:
    """The keys in the order in which they were shown. floors: the generation that a manager was last seen to hold; it never needs an older one."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = []
        self.generations = {}  # key: generation
        self.floors = {}
        self.autolock = False

    def shown(self, text):
        found = KEY.findall(text)
        with self.lock:
            for key in found:
                if key in self.keys:  # the older one is in force still
                    self.keys.remove(key)
                self.keys.append(key)
        return found

    def confirmed(self, key, listed):
        """listed: what `node ls` says right after the key came into force; None when nobody answered in time: nothing is known of the key then."""
        if not listed:
            return
        with self.lock:
            self.generations[key] = max(node.get("KeyGeneration", 0) for node in listed)
            for node in listed:
                if node.get("KeyGeneration", 0):
                    self.floors[node["Hostname"]] = max(node["KeyGeneration"], self.floors.get(node["Hostname"], 0))

    def best(self, wanted, tried):
        """The newest that was not tried; before it those of the generation that the locked manager tells. None if there is no more."""
        with self.lock:
            left = [key for key in reversed(self.keys) if key not in tried]
            return min(left, key=lambda key: wanted == 0 or self.generations.get(key) != wanted, default=None)

    def age(self, key):
        """0: the newest."""
        with self.lock:
            return len(self.keys) - 1 - self.keys.index(key)

    def is_below_floor(self, machine, key):
        with self.lock:
            return key in self.generations and self.generations[key] < self.floors.get(machine, 0)


class KeyHolder:
    def __init__(self, book, machines, counts, complain):
        self.book, self.machines, self.counts, self.complain = book, machines, counts, complain
        self.turn = threading.Lock()  # one change at a time
        self.rotations = 0

    def change(self, machine, *argv):
        """Whether it was done, by the exit status. What it shows is written down as soon as it is there: swarmctl goes on to wait for managers,
        and one that restarts meanwhile may want that key already."""
        shown = []
        answer = cluster.run(machine, "swarmctl", *argv, timeout=45, told=lambda line: shown.extend(self.book.shown(line)))
        if answer.code == 0 and shown:
            self.confirm(machine, shown[-1])
        return answer

    def confirm(self, machine, key):
        agent = cluster.Agent(machine)
        self.book.confirmed(key, cluster.nodes(agent))
        agent.close()

    def rotate(self, machine):
        with self.turn:
            if not self.book.autolock:
                self.counts["rotate: autolock is off"] += 1
                return
            self.rotations += 1
            rekeys = self.rotations % 4 == 0
            answer = self.change(machine, "unlock-key", "--rotate", "-q", *(["--rekey"] if rekeys else []))
            self.count("rotate and rekey" if rekeys else "rotate", answer)
            if answer.code != 0:
                self.clear_up(machine)

    def set_autolock(self, machine, on):
        with self.turn:
            answer = self.change(machine, "update", f"--autolock={'true' if on else 'false'}")
            self.count("autolock on" if on else "autolock off", answer)
            if answer.code != 0:
                self.clear_up(machine)
            else:
                self.book.autolock = on

    def count(self, what, answer):
        self.counts[f"{what}: {'done' if answer.code == 0 else f'not done ({answer.code})'}"] += 1

    def clear_up(self, machine, patience=120):
        """Which key is in force, if any? Asks one manager after the other until one knows."""
        order = [machine, *[m for m in self.machines if m != machine]]
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for asked in order:
                answer = self.change(asked, "unlock-key", "-q")
                if answer.code == 0 and KEY.search(answer.out):
                    self.book.autolock = True
                    return True
                if OFF in answer.err:
                    self.book.autolock = False
                    return True
            time.sleep(0.5)
        self.complain("keys", f"no manager told within {patience} s which unlock key is in force")
        return False


class Unlocker(threading.Thread):
    """Sits at one machine: unlocks its manager whenever that is locked."""

    def __init__(self, machine, book, counts, complain, pause=0.4):
        super().__init__(name=f"unlocker-{machine}", daemon=True)
        self.machine, self.book, self.counts, self.complain, self.pause = machine, book, counts, complain, pause
        self.agent = cluster.Agent(machine)
        self.stopping = threading.Event()
        self.states = Counter()
        self.state = "unreachable"
        self.opened_with = None  # the last unlock: 0 the newest key, 1 the one before, …

    def run(self):
        while not self.stopping.wait(self.pause):
            now = cluster.info(self.agent)
            self.states[now["State"]] += 1
            if now["State"] != self.state and now["State"] in ("error", "inactive"):
                self.complain("states", f"{self.machine} is {now['State']}: {now.get('Error')}")
            self.state = now["State"]
            if self.state == "locked":
                self.unlock(now.get("KeyGeneration", 0))
        self.agent.close()

    def unlock(self, wanted):
        """A wrong one costs the next attempt a pause, so this is the time to give up, too, when the machine goes away. Another may be shown meanwhile."""
        tried = set()
        while (key := self.book.best(wanted, tried)) is not None:
            tried.add(key)
            try:
                answer = self.agent.ask("swarmctl", "unlock", "-q", text=key + "\n", timeout=30)
            except cluster.Gone:
                return
            if answer.code == 0:
                back = self.opened_with = self.book.age(key)
                self.counts[("newest", "one before")[back] if back < 2 else "an older one"] += 1
                if self.book.is_below_floor(self.machine, key):
                    self.complain("keys", f"{self.machine} held a newer key, but opened with an older one only ({back} back)")
                return
            if answer.code != 7:
                self.counts[f"refused ({answer.code})"] += answer.code != 5
                return
        self.counts["no key fits"] += 1
