# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long clients of the managers that are left wait when another one, the leader, is struck."""

import threading
import time

import cluster

GIVE_UP_SECONDS = 60


class Writer(threading.Thread):
    """Makes one secret after the other through its manager, and remembers those that were acknowledged: (begin, end)."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.machine = machine
        self.agent = cluster.Agent(machine)
        self.stopping = threading.Event()
        self.acknowledged = []

    def run(self):
        while not self.stopping.is_set():
            name = f"{self.machine}-{time.monotonic_ns()}"
            answer = self.agent.ask("swarmctl", "secret", "create", name, "-", text="x")
            if answer.code == 0:
                self.acknowledged.append((answer.begin, answer.end))
            else:
                time.sleep(0.02)
        self.agent.close()

    def wait_for(self, n, since=0):
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while sum(begin > since for begin, _ in self.acknowledged) < n:
            if time.monotonic() > deadline:
                raise SystemExit(f"failover: {self.machine} acknowledges nothing within {GIVE_UP_SECONDS} s")
            time.sleep(0.02)

    def longest_gap(self):
        """ms from one acknowledgement to the next"""
        ends = [end for _, end in self.acknowledged]
        return max(b - a for a, b in zip(ends, ends[1:])) / 1e6


def gap(survivors, strike):
    """ms without an acknowledged write, on the survivor that waits longer: from the last one before strike() to the first one after it."""
    writers = [Writer(machine) for machine in survivors]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.wait_for(5)
    strike()
    struck = time.monotonic_ns()
    for writer in writers:
        writer.wait_for(5, since=struck)
        writer.stopping.set()
    for writer in writers:
        writer.join()
    return max(writer.longest_gap() for writer in writers)
