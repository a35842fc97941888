# SPDX-License-Identifier: LGPL-2.1-or-later
"""Carries a schedule out: each event in a thread of its own, since it lasts; heals what it broke."""

import threading
import time
from collections import Counter

import cluster
from schedule import LEADER

PATIENCE = 3.0  # how long an event waits for others to be over


class Nemesis(threading.Thread):
    def __init__(self, events, names, keyholder, start, say):
        super().__init__(name="nemesis", daemon=True)
        self.events, self.names, self.keyholder, self.start_time, self.say = events, names, keyholder, start, say
        self.lock = threading.Lock()
        self.broken = set()  # machines that are down, cut off, frozen or demoted
        self.done, self.left_out = Counter(), Counter()
        self.running = []
        self.faults = []  # what went wrong in carrying it out
        self.scout = {name: cluster.Agent(name) for name in names}

    def run(self):
        for event in self.events:
            time.sleep(max(0.0, self.start_time + event.at - time.monotonic()))
            worker = threading.Thread(target=self.carry_out, args=(event,), name=str(event), daemon=True)
            self.running.append(worker)
            worker.start()

    def wait(self):
        """Until all is over and healed, as far as it goes."""
        self.join()
        for worker in self.running:
            worker.join(180)
            if worker.is_alive():
                self.faults.append(f"not over after 180 s: {worker.name}")

    def leader(self):
        """As most of the managers say, the most recently asked first; None when nobody knows."""
        with self.lock:
            whole = [name for name in self.names if name not in self.broken]
            for name in whole:
                for node in cluster.nodes(self.scout[name]) or []:
                    if node.get("ManagerStatus") == "leader":
                        return node["Hostname"]
        return None

    def targets(self, event):
        if event.machines == [LEADER]:
            leader = self.leader()
            return [leader] if leader in self.names else [self.names[0]]
        return [f"m{number}" for number in event.machines]

    def claim(self, who, reckless):
        """Without an event of its own already, and leaving a majority unless the event is a reckless one."""
        with self.lock:
            down = len(self.broken | set(who))
            if self.broken & set(who) or (not reckless and len(self.names) > 1 and down >= (len(self.names) + 1) // 2):
                return False
            self.broken |= set(who)
            return True

    def carry_out(self, event):
        if event.kind in ("rotate", "autolock"):
            who = self.targets(event)
            getattr(self, event.kind)(event, *who)
            self.done[event.kind] += 1
            return
        deadline = time.monotonic() + PATIENCE
        who = self.targets(event)
        while not self.claim(who, event.reckless):
            if time.monotonic() > deadline:
                self.left_out[event.kind] += 1
                return
            time.sleep(0.1)
        self.say(f"{event.kind} {' '.join(who)}, {event.seconds:.1f} s")
        try:
            getattr(self, event.kind)(event, *who)
            self.done[event.kind] += 1
        except Exception as e:  # a machine that does not come back, above all
            self.faults.append(f"{event}: {e} {getattr(e, 'stdout', '')} {getattr(e, 'stderr', '')}")
        finally:
            with self.lock:
                self.broken -= set(who)

    # ---- the kinds of events

    def power(self, event, *who):
        cluster.sandbox("kill", *who)
        time.sleep(event.seconds / 2)
        cluster.sandbox("restart", *who)

    outage = power

    def reboot(self, event, *who):
        cluster.sandbox("restart", *who)

    def crash(self, event, who):
        cluster.run(who, "systemctl", "kill", "--signal=KILL", "--kill-whom=main", "swarm-manager")
        time.sleep(0.5)

    def restart(self, event, who):
        answer = cluster.run(who, "systemctl", "restart", "--no-block", "swarm-manager")
        if answer.code != 0:
            raise RuntimeError(answer.text)
        time.sleep(0.5)

    def freeze(self, event, who):
        """A leader that was stopped for a while still thinks that it leads. The watchdog allows 30 s."""
        cluster.run(who, "systemctl", "kill", "--signal=STOP", "--kill-whom=main", "swarm-manager")
        time.sleep(event.seconds)
        cluster.run(who, "systemctl", "kill", "--signal=CONT", "--kill-whom=main", "swarm-manager")

    def cut(self, event, *who):
        cluster.sandbox("cut", *who)
        time.sleep(event.seconds)
        cluster.sandbox("mend", *who)

    def demote(self, event, who):
        self.until_done(who, "demote", give_up=5)
        time.sleep(event.seconds)
        self.until_done(who, "promote", give_up=60)

    def until_done(self, who, verb, give_up):
        """Asks one manager after the other: any takes any command."""
        deadline = time.monotonic() + give_up
        why = "nobody was asked"
        while time.monotonic() < deadline:
            for asked in [name for name in self.names if name != who]:
                answer = cluster.run(asked, "swarmctl", "node", verb, who, timeout=20)
                if answer.code in (0, 5):
                    return
                why = f"{asked}: {answer.text}"
            time.sleep(0.3)
        if verb == "promote":
            raise RuntimeError(f"{who} could not be promoted again: {why}")

    def rotate(self, event, who):
        self.say(f"rotate on {who}")
        self.keyholder.rotate(who)

    def autolock(self, event, who):
        self.say(f"autolock off and on, on {who}")
        self.keyholder.set_autolock(who, False)
        time.sleep(event.seconds / 3)
        if not self.keyholder.book.autolock:
            self.keyholder.set_autolock(who, True)
