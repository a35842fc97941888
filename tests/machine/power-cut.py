# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 1
# seconds: 3600
"""The power goes at random moments of every operation: the next start always opens with a key that the operator holds, and no acknowledged
secret is lost. KILLS in the environment says how often (default 25), SEED which random moments."""

import json
import os
import random
import re
import subprocess
import sys
import time

SANDBOX = os.environ["SANDBOX"]
KILLS = int(os.environ.get("KILLS", "25"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))

# Prints what it tries and what was acknowledged. Keys go straight from swarmctl to the operator: what reaches the host has been shown.
WORKLOAD = r"""
n=$1
while :; do
    case $((RANDOM % 10)) in
        0|1|2|3|4) n=$((n + 1)); head -c $((RANDOM % 3000 + 1)) /dev/zero | swarmctl secret create "s$n" - >/dev/null && echo "created s$n" ;;
        5) echo "removing s$n"; swarmctl secret rm "s$n" >/dev/null && echo "removed s$n" ;;
        6) swarmctl unlock-key -q --rotate 2>/dev/null && echo confirmed ;;
        7) swarmctl unlock-key -q --rotate --rekey 2>/dev/null && echo confirmed ;;
        8) echo "turning off"; swarmctl update --autolock=false >/dev/null && echo off
           swarmctl update --autolock=true && echo confirmed ;;
        9) [ $((RANDOM % 4)) = 0 ] || continue
           echo leaving; swarmctl leave --force >/dev/null && echo left; n=$((n + 100))
           swarmctl init --autolock && echo confirmed ;;
    esac
done
"""


def run(*command, text=None):
    return subprocess.run([SANDBOX, "run", "m1", *command], input=text, capture_output=True, text=True, timeout=120)


def state():
    r = run("swarmctl", "info", "--json")
    return json.loads(r.stdout)["State"] if r.returncode == 0 else "unreachable"


def wait_state():
    deadline = time.monotonic() + 40
    while (now := state()) in ("pending", "unreachable") and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


class Operator:
    """What a person at the terminal knows."""

    def __init__(self):
        self.keys = []  # newest last
        self.certain = set()
        self.doubtful = set()  # removed or being removed
        self.leaving = False
        self.last = 0

    def reads(self, line):
        key = re.search(r"SWMKEY-1-[A-Za-z0-9+/]{43}", line)
        word, _, rest = line.partition(" ")
        if key:
            self.keys.append(key.group())
        elif word == "created":
            self.certain.add(rest)
            self.last = int(rest[1:])
        elif word in ("removing", "removed"):
            self.certain.discard(rest)
            self.doubtful.add(rest)
        elif word == "leaving":
            self.leaving = True
        elif word == "Swarm" and "initialized" in line:
            self.leaving = False
            self.certain.clear()
            self.last += 1000


def work_and_cut(operator, moment):
    worker = subprocess.Popen([SANDBOX, "run", "m1", "bash", "-c", WORKLOAD, "workload", str(operator.last + 1)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(moment)
    subprocess.run([SANDBOX, "kill", "m1"], check=True, capture_output=True)
    for line in worker.communicate()[0].splitlines():
        operator.reads(line)


def unlock(operator):
    for key in reversed(operator.keys[-3:]):
        r = run("swarmctl", "unlock", text=key + "\n")
        if r.returncode == 0:
            return
        if r.returncode != 7:
            raise AssertionError(f"unlock: {r.stderr}")
    raise AssertionError("no key that the operator holds unlocks")


def check(operator):
    run("systemctl", "start", "--no-block", "swarm-manager")
    now = wait_state()
    if now == "locked":
        unlock(operator)
        now = state()
    if now == "inactive" and operator.leaving:
        operator.certain.clear()
        operator.leaving = False
        run("swarmctl", "init")
        now = state()
    if now != "active":
        raise AssertionError(f"the manager is {now}: {run('swarmctl', 'info').stdout}")
    secrets = run("swarmctl", "secret", "ls", "--json")
    if secrets.returncode != 0:
        raise AssertionError(f"secret ls, {secrets.returncode}: {secrets.stderr}")
    there = {s["Name"] for s in json.loads(secrets.stdout)}
    if operator.leaving:  # the power went before or after the new swarm was made
        operator.leaving = False
        operator.certain &= there
    lost = operator.certain - there
    if lost:
        raise AssertionError(f"acknowledged, but lost: {sorted(lost)}")
    key = run("swarmctl", "unlock-key", "-q")
    if key.returncode == 0:
        operator.keys.append(key.stdout.strip())


def main():
    chance = random.Random(SEED)
    operator = Operator()
    run("systemctl", "start", "swarm-manager")
    operator.reads(run("swarmctl", "init", "--autolock").stdout.replace("\n", " "))
    print(f"seed {SEED}", flush=True)
    for i in range(KILLS):
        work_and_cut(operator, chance.uniform(0.05, 2.0))
        subprocess.run([SANDBOX, "restart", "m1"], check=True, capture_output=True)
        try:
            check(operator)
        except AssertionError as e:
            print(f"not ok power-cut: after cut {i + 1} of {KILLS}, seed {SEED}: {e}")
            print(run("journalctl", "-q", "-b", "-u", "swarm-manager").stdout)
            return 1
    print(f"ok power-cut-{KILLS}-times")
    return 0


sys.exit(main())
