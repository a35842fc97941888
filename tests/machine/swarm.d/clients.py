# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that make, remove, read and list secrets through the manager of one machine, and write down what they were told."""

import random
import threading
import time

import cluster

NOTHING_DONE = {2, 3, 4, 8}  # exit codes of swarmctl: usage, locked, not a manager, not permitted
BUSY = 9
PERHAPS_DONE = "see whether"  # what swarmctl says with BUSY when it does not know
EPOCH_SECONDS = 4
EPOCH_NAMES = 3
KEPT = 40  # secrets of one client that are there at a time


def outcome_of_change(answer, already, already_text):
    """already: the exit code that says that the change is not needed."""
    if answer.code == 0:
        return "ok"
    if answer.code == already and already_text in answer.err:
        return "taken" if already == 5 else "missing"
    if answer.code in NOTHING_DONE or (answer.code == BUSY and PERHAPS_DONE not in answer.err):
        return "failed"
    return "unknown"


def uids(listed):
    return {secret["Name"]: secret.get("Labels", {}).get("uid", "without-uid") for secret in listed}


class Client(threading.Thread):
    def __init__(self, machine, number, seed, recorder, start, rate=15):
        super().__init__(name=f"{machine}-{number}", daemon=True)
        self.machine, self.recorder, self.start_time, self.rate = machine, recorder, start, rate
        self.chance = random.Random(f"{seed} {self.name}")
        self.agent = cluster.Agent(machine)
        self.stopping = threading.Event()
        self.serial = 0
        self.mine = []  # acknowledged, not removed

    def run(self):
        while not self.stopping.is_set():
            entry = self.step()
            calm = entry["outcome"] in ("ok", "taken", "missing")
            self.stopping.wait(self.chance.expovariate(self.rate) if calm else 0.3)
        self.agent.close()

    def contended(self, age=0):
        epoch = int(time.monotonic() - self.start_time) // EPOCH_SECONDS - age
        return f"c{max(epoch, 0)}-{self.chance.randrange(EPOCH_NAMES)}"

    def step(self):
        dice = self.chance.random()
        if len(self.mine) > KEPT:
            return self.remove(self.mine.pop(0))
        if dice < 0.40:
            return self.create_own()
        if dice < 0.55:
            return self.create(self.contended())
        if dice < 0.68:
            return self.remove(self.contended(age=self.chance.choice([0, 0, 0, 2])))
        if dice < 0.74 and self.mine:
            return self.remove(self.mine.pop(self.chance.randrange(len(self.mine))))
        if dice < 0.90:
            return self.read(self.contended())
        if dice < 0.96 and self.mine:
            return self.read(self.chance.choice(self.mine))
        return self.list()

    def call(self, what, name, *argv, text="", **more):
        """An entry whose outcome is still open, and the answer; no answer when the machine died."""
        entry = {"client": self.name, "machine": self.machine, "what": what, "name": name, "uid": None, **more, "begin": time.monotonic_ns(), "end": None}
        try:
            answer = self.agent.ask("swarmctl", *argv, text=text)
        except cluster.Gone:
            return entry, None
        entry["begin"] = answer.begin
        if answer.code is not None:
            entry["end"] = answer.end
        if answer.code != 0:
            entry["why"] = f"{answer.code}: {answer.text[:200]}"
        return entry, answer

    def end(self, entry, outcome):
        entry["outcome"] = outcome
        if outcome == "unknown":
            entry["end"] = None
        self.recorder.add(entry)
        return entry

    def create_own(self):
        self.serial += 1
        name = f"u-{self.name}-{self.serial}"
        entry = self.create(name)
        if entry["outcome"] == "ok":
            self.mine.append(name)
        return entry

    def create(self, name):
        self.serial += 1
        uid = f"{self.name}.{self.serial}"
        data = uid * self.chance.choice([1, 20, 200])
        entry, answer = self.call("create", name, "secret", "create", "--label", f"uid={uid}", name, "-", text=data, uid=uid)
        return self.end(entry, outcome_of_change(answer, 5, "already exists") if answer else "unknown")

    def remove(self, name):
        entry, answer = self.call("remove", name, "secret", "rm", name)
        return self.end(entry, outcome_of_change(answer, 6, "not found") if answer else "unknown")

    def read(self, name):
        entry, answer = self.call("read", name, "secret", "inspect", name)
        if answer and answer.code == 0:
            entry["value"] = answer.json()[0]["Spec"]["Labels"].get("uid", "without-uid")
        elif answer and answer.code == 6 and "not found" in answer.err:
            entry["value"] = None
        return self.end(entry, "ok" if "value" in entry else "failed")

    def list(self):
        entry, answer = self.call("list", None, "secret", "ls", "--json")
        if answer and answer.code == 0:
            entry["value"] = uids(answer.json())
        return self.end(entry, "ok" if "value" in entry else "failed")
