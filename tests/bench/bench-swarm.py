# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of a swarm, printed as bench-manager prints those of one manager: bench-swarm.py [PART…]

The parts are commits, attack, leader, rotation and size, each on a swarm of its own. The machines m1 to m4 are up and in no swarm; m4 is the one that
attacks, and that joins. All of them share the host's processors and its disk.
"""

import json
import os
import statistics
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "machine", "swarm.d"))

import cluster  # noqa: E402
import failover  # noqa: E402

RATE = "/usr/lib/swarm-manager/tests/rate"
MANAGERS = ["m1", "m2", "m3"]
OTHER = "m4"
ROUNDS = 3
SMALL = 192  # bytes, as in bench-manager
KILLS = 20
CUTS = 5
ROTATIONS = 10
SECRETS, LARGE = 10_000, 1024
ATTACK_SECONDS = 30
AT_ONCE = 1000


def show(what, value, unit, goal="-", reference="-"):
    print(f"{what:<44} {value:10.1f} {unit:<4}  goal {goal:<18} reference {reference}", flush=True)


def ask(machine, *argv, text="", timeout=60):
    answer = cluster.run(machine, *argv, text=text, timeout=timeout)
    if answer.code != 0:
        raise SystemExit(f"bench-swarm: {machine}: {' '.join(argv)}: {answer.code}: {answer.text}")
    return answer


def managers_now(machine):
    """Empty while the one that is asked knows no leader."""
    answer = cluster.run(machine, "swarmctl", "node", "ls", "--json", timeout=60)
    return {node["Hostname"]: node for node in answer.json() if node["Role"] == "manager"} if answer.code == 0 else {}


def leader_of(machine):
    return next((name for name, node in managers_now(machine).items() if node["ManagerStatus"] == "leader"), None)


def until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench-swarm: not within {seconds} s: {what}")
        time.sleep(0.05)


def new_swarm(names):
    """Fresh processes, too: memory is measured."""
    for machine in [*MANAGERS, OTHER]:
        if ask(machine, "swarmctl", "info", "--json").json()["State"] != "inactive":
            ask(machine, "swarmctl", "leave", "--force")
        ask(machine, "systemctl", "restart", "swarm-manager")
    ask(names[0], "swarmctl", "init")
    for name in names[1:]:
        join(name)


def join(name):
    cluster.join(name, MANAGERS[0])
    until(f"{name} is reachable", lambda: managers_now(MANAGERS[0]).get(name, {}).get("ManagerStatus") in ("leader", "reachable"))


# ---- commits

class Rates:
    def __init__(self):
        self.serial = 0

    def secrets(self, machine, callers, each, size=SMALL):
        self.serial += 1
        return float(ask(machine, RATE, "secrets", f"r{self.serial}", str(callers), str(each), str(size), timeout=300).out)

    def of(self, machine):
        """(1 caller, 16 callers)"""
        rounds = [(self.secrets(machine, 1, 500), self.secrets(machine, 16, 150)) for _ in range(ROUNDS)]
        return [statistics.median(values) for values in zip(*rounds)]


def sync_rate(machines):
    """Of the slowest, all at once."""
    rates = {}
    threads = [threading.Thread(target=lambda m=m: rates.update({m: float(ask(m, RATE, "sync").out)})) for m in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(rates[m] for m in machines)


def commits():
    rates = Rates()
    new_swarm(MANAGERS[:1])
    sync = sync_rate(["m1"])
    alone = rates.of("m1")
    sync = (sync + sync_rate(["m1"])) / 2
    for name in MANAGERS[1:]:
        join(name)
    leader = leader_of("m1")
    follower = next(name for name in MANAGERS if name != leader)
    on_leader, on_follower = rates.of(leader), rates.of(follower)
    together = sync_rate(MANAGERS)
    show("fdatasync of 4 KiB, this disk", sync, "/s")
    show("  on three machines at once, each", together, "/s")
    for i, callers in enumerate(["1 caller", "16 callers"]):
        show(f"secrets created, one manager, {callers}", alone[i], "/s")
        show(f"  three managers, on the leader, {callers}", on_leader[i], "/s")
        show("    share of one manager's", 100 * on_leader[i] / alone[i], "%")
        show("    share of the fdatasync rate", 100 * on_leader[i] / sync, "%")
        show(f"  three managers, on another, {callers}", on_follower[i], "/s")
        show("    share of the leader's", 100 * on_follower[i] / on_leader[i], "%")


# ---- attackers

def attack():
    rates = Rates()
    new_swarm(MANAGERS)
    leader = leader_of("m1")
    address = managers_now("m1")[leader]["Address"]
    with open(os.path.join(TESTS, "machine", "swarm.d", "attackers.py")) as source:
        program = source.read()
    calm = [rates.of(leader)]
    flood = cluster.start(OTHER, "python3", "-c", program, "flood", "all", address, str(ATTACK_SECONDS), str(AT_ONCE))
    time.sleep(4)
    pressed = rates.of(leader)
    counts = json.loads(flood.communicate()[0].splitlines()[-1])
    calm.append(rates.of(leader))
    opened = sum(counts.get(kind, 0) for kind in ("half-open", "garbage", "slow"))
    show("connections of attackers at once", counts["most at once"], "")
    show("  opened again and again", opened / ATTACK_SECONDS, "/s")
    for i, callers in enumerate(["1 caller", "16 callers"]):
        before = (calm[0][i] + calm[1][i]) / 2
        show(f"secrets created meanwhile, {callers}", pressed[i], "/s")
        show("  share of the speed before and after", 100 * pressed[i] / before, "%", ">= 80")


# ---- a new leader

def leader():
    new_swarm(MANAGERS)
    for what, rounds, strike, mend, goal in [("killed", KILLS, "kill", "restart", "<= 2500"), ("cut off", CUTS, "cut", "mend", "-")]:
        gaps = []
        for _ in range(rounds):
            until("all managers are reachable", lambda: {n["ManagerStatus"] for n in managers_now("m1").values()} == {"leader", "reachable"})
            until("there is a leader", lambda: leader_of("m1"))
            victim = leader_of("m1")
            gaps.append(failover.gap([m for m in MANAGERS if m != victim], lambda: cluster.sandbox(strike, victim)))
            cluster.sandbox(mend, victim)
        show(f"leader {what} to next write, median of {rounds}", statistics.median(gaps), "ms", goal, ">= 10000")
        show(f"  max of {rounds}", max(gaps), "ms", goal, "-")


# ---- a new unlock key

def rotation():
    new_swarm(MANAGERS)
    ask("m1", "swarmctl", "update", "--autolock=true")
    times = []
    agent = cluster.Agent("m1")
    for _ in range(ROTATIONS):
        answer = agent.ask("swarmctl", "unlock-key", "--rotate", "-q")
        times.append((answer.end - answer.begin) / 1e6)
        generations = {node["KeyGeneration"] for node in managers_now("m1").values()}
        if answer.code != 0 or len(generations) != 1:
            raise SystemExit(f"bench-swarm: rotation: {answer.text}; generations {generations}")
        time.sleep(2)
    agent.close()
    show(f"rotation confirmed by three, median of {ROTATIONS}", statistics.median(times), "ms", "<= 150")
    show(f"  max of {ROTATIONS}", max(times), "ms")


# ---- 10,000 secrets

def memory(machine):
    """MiB"""
    return float(ask(machine, "sh", "-c", "awk '/VmRSS/ {print $2 / 1024}' /proc/$(pidof swarm-managerd)/status").out)


def size():
    new_swarm(MANAGERS)
    empty = memory("m1")
    Rates().secrets("m1", 16, SECRETS // 16, LARGE)
    used = {machine: memory(machine) for machine in MANAGERS}
    answer = cluster.join(OTHER, "m1")
    agent = cluster.Agent(OTHER)
    until(f"{OTHER} is active", lambda: cluster.info(agent)["State"] == "active")
    active = time.monotonic_ns()
    listed = agent.ask("swarmctl", "secret", "ls", "-q").out.split()
    agent.close()
    if len(listed) != SECRETS:
        raise SystemExit(f"bench-swarm: {OTHER} is active and has {len(listed)} secrets of {SECRETS}")
    payload = SECRETS * LARGE / 2**20
    show(f"join with {SECRETS:,} secrets of 1 KiB, to active", (active - answer.begin) / 1e6, "ms")
    show("resident memory, swarm of three, empty", empty, "MB", "<= 20")
    show(f"resident memory with {SECRETS:,} secrets of 1 KiB", max(used.values()), "MB")
    show("  without the payload", max(used.values()) - payload, "MB")
    show("  for each secret, beside payload and empty", (max(used.values()) - payload - empty) * 1024 / SECRETS, "KiB")
    show("  of the manager that joined", memory(OTHER), "MB")


if __name__ == "__main__":
    for part in sys.argv[1:] or ["commits", "attack", "leader", "rotation", "size"]:
        {"commits": commits, "attack": attack, "leader": leader, "rotation": rotation, "size": size}[part]()
