# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chaos among managers while clients make and remove secrets: chaos.py --seconds N --seed S --machines N [--clients N] [--threshold N] --log FOLDER

The machines are up and in no swarm. Prints what it does and, at the end, what came of it: lines of results as tests have them. In the log folder is the
history of what clients were told (checker.py reads it again).
"""

import argparse
import os
import random
import sys
import time
from collections import Counter

import checker
import cluster
import recovery
import schedule
from clients import Client
from history import Recorder
from keyholder import Book, KeyHolder, Unlocker
from nemesis import Nemesis


class Run:
    def __init__(self, options):
        self.options = options
        self.names = [f"m{i + 1}" for i in range(options.machines)]
        self.start = time.monotonic()
        self.recorder = Recorder(os.path.join(options.log, "chaos-history.jsonl"))
        self.problems = []  # (what it concerns, text)
        self.key_counts, self.unlock_counts = Counter(), Counter()
        self.book = Book()
        self.keyholder = KeyHolder(self.book, self.names, self.key_counts, self.complain)

    def say(self, text):
        print(f"{time.monotonic() - self.start:7.1f} s  {text}", flush=True)

    def complain(self, about, text):
        self.problems.append((about, text))
        self.say(f"!! {about}: {text}")

    # ---- the swarm

    def make_swarm(self):
        if self.options.threshold:
            cluster.small_snapshots(self.names, self.options.threshold)
        first = self.names[0]
        answer = cluster.run(first, "swarmctl", "init", "--autolock")
        if answer.code != 0:
            raise SystemExit(f"not ok chaos: init: {answer.text}")
        self.book.shown(answer.out)
        self.book.autolock = True
        for name in self.names[1:]:
            cluster.join(name, first)

    def start_people(self):
        self.unlockers = {name: Unlocker(name, self.book, self.unlock_counts, self.complain) for name in self.names}
        self.clients = [Client(name, i, self.options.seed, self.recorder, self.start, self.options.rate)
                        for name in self.names for i in range(self.options.clients)]
        for thread in [*self.unlockers.values(), *self.clients]:
            thread.start()

    def stop(self, threads):
        for thread in threads:
            thread.stopping.set()
        for thread in threads:
            thread.join(30)

    # ---- the run

    def go(self):
        self.make_swarm()
        self.say(f"{len(self.names)} managers, seed {self.options.seed}")
        self.start = time.monotonic()
        self.start_people()
        self.nemesis = Nemesis(schedule.make(self.options.seed, len(self.names), self.options.seconds), self.names, self.keyholder, self.start,
                               self.say)
        self.nemesis.start()
        self.nemesis.wait()
        time.sleep(max(0.0, self.start + self.options.seconds - time.monotonic()))
        self.say("everything is mended; the swarm has to come to rest")
        for fault in self.nemesis.faults:
            self.complain("machines", fault)
        recovery.heal(self)
        self.stop(self.clients)
        recovery.compare(self, "at rest")
        recovery.power_off_all(self)
        recovery.compare(self, "after all lost power")
        self.stop(self.unlockers.values())
        recovery.look_for_crashes(self)
        self.recorder.close()

    # ---- what came of it

    def verdict(self):
        history = checker.check(self.recorder.entries)
        for name, lines in history.problems[:10]:
            self.complain("linearizable", "\n    ".join([f"{name}:", *lines]))
        if len(history.problems) > 10:
            self.complain("linearizable", f"and {len(history.problems) - 10} more names")
        self.summary(history)
        self.enough(history)
        about = ["ran", "machines", "states", "heals", "equal", "lost", "linearizable", "keys", "crashes"]
        for what in about:
            texts = [text for subject, text in self.problems if subject == what]
            print(f"not ok chaos-{what}: {texts[0]}" if texts else f"ok chaos-{what}", flush=True)
        return 1 if self.problems else 0

    def enough(self, history):
        """A run in which nothing happened proves nothing."""
        least = self.options.seconds * self.options.least
        for what in ("create", "remove"):
            if history.counts[what, "ok"] < least:
                self.complain("ran", f"only {history.counts[what, 'ok']} {what}s were acknowledged, {least:.0f} is the least")
        for what in ("read", "list"):
            if not history.counts[what, "ok"]:
                self.complain("ran", f"no {what} was answered")
        planned, done = len(self.nemesis.events), sum(self.nemesis.done.values())
        if done < planned * 0.4:
            self.complain("ran", f"only {done} of {planned} events took place")
        if not self.unlock_counts["newest"]:
            self.complain("ran", "no manager was ever unlocked")
        if not self.key_counts["rotate: done"] and self.options.seconds >= 20:
            self.complain("ran", "no rotation was done")

    def summary(self, history):
        def line(title, counts):
            print(f"  {title}: " + (", ".join(f"{key} {n}" for key, n in sorted(counts.items(), key=str)) or "none"))

        print(f"summary: seed {self.options.seed}, {len(self.names)} machines, {self.options.seconds} s")
        line("clients", {f"{what} {outcome}": n for (what, outcome), n in history.counts.items()})
        print(f"  checked: {history.names} names, {history.readings} readings of them")
        line("events", self.nemesis.done)
        line("left out (no majority would have been left)", self.nemesis.left_out)
        line("keys", self.key_counts)
        line("unlocked with", self.unlock_counts)
        line("states seen", sum((u.states for u in self.unlockers.values()), Counter()))
        print(f"  keys shown: {len(self.book.keys)}", flush=True)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--clients", type=int, default=2, help="for each machine")
    parser.add_argument("--rate", type=float, default=15, help="calls per second of a client that does not wait for an answer")
    parser.add_argument("--threshold", type=int, default=64, help="a snapshot every so many entries; 0: as usual")
    parser.add_argument("--least", type=float, default=2, help="acknowledged creates per second that make it a run")
    parser.add_argument("--schedule", action="store_true", help="only print what the nemesis would do")
    parser.add_argument("--log", default=".")
    return parser.parse_args()


def main():
    chosen = options()
    if chosen.schedule:
        print(*schedule.make(chosen.seed, chosen.machines, chosen.seconds), sep="\n")
        return 0
    run = Run(chosen)
    run.go()
    return run.verdict()


if __name__ == "__main__":
    sys.exit(main())
