# SPDX-License-Identifier: LGPL-2.1-or-later
"""After the chaos: everything has to come back by itself, and to be the same everywhere."""

import json
import time

import cluster
from clients import uids

HEAL_SECONDS = 90
# Of a unit's main process: not SIGKILL and SIGSTOP, which are the nemesis's own, and not its clean stop
CRASHES = r"status=(3|4|6|7|8|11)/|code=dumped|[Ww]atchdog timeout|Failed with result '(watchdog|core-dump|timeout|oom-kill)'|AddressSanitizer"


def manager_nodes(listed):
    return [node for node in listed if node["Role"] == "manager"]


def at_rest(run, agents):
    """Nothing, or why not yet."""
    for name, agent in agents.items():
        now = cluster.info(agent)
        if now["State"] != "active":
            return f"{name} is {now['State']}: {now.get('Error')}"
    listed = cluster.nodes(agents[run.names[0]])
    if listed is None:
        return f"{run.names[0]} does not list nodes"
    if len(manager_nodes(listed)) < len(run.names):
        return f"managers: {[node['Hostname'] for node in manager_nodes(listed)]}"
    for node in listed:
        if len(run.names) > 1 and node.get("ManagerStatus") not in ("leader", "reachable"):
            return f"{node['Hostname']} is {node.get('ManagerStatus')}"
    generations = {node["KeyGeneration"] for node in listed}
    if run.book.autolock and len(generations) != 1:
        return f"key generations differ: { {node['Hostname']: node['KeyGeneration'] for node in listed} }"
    return None


def promote_all(run, agents):
    for node in cluster.nodes(agents[run.names[0]]) or []:
        if node["Role"] != "manager":
            cluster.run(run.names[0], "swarmctl", "node", "promote", node["Hostname"], timeout=20)


def wait_for_rest(run, what):
    agents = {name: cluster.Agent(name) for name in run.names}
    deadline, begin = time.monotonic() + HEAL_SECONDS, time.monotonic()
    promote_at = begin + 5
    while (why := at_rest(run, agents)) and time.monotonic() < deadline:
        if time.monotonic() > promote_at:
            promote_all(run, agents)
            promote_at += 5
        time.sleep(0.3)
    for agent in agents.values():
        agent.close()
    if why:
        run.complain("heals", f"{what}: not at rest after {HEAL_SECONDS} s: {why}")
    else:
        run.say(f"{what}: at rest after {time.monotonic() - begin:.1f} s")
    return why is None


def heal(run):
    """Mends what an event could not, turns autolock on for the checks that follow, and rotates once more."""
    cluster.sandbox("mend", *run.names)
    for name in run.names:
        answer = cluster.run(name, "systemctl", "start", "--no-block", "swarm-manager", timeout=90)
        if answer.code != 0:
            cluster.sandbox("restart", name, check=False)
    wait_for_rest(run, "mended")
    with run.keyholder.turn:
        run.keyholder.clear_up(run.names[0])
    if run.book.autolock:
        run.keyholder.rotate(run.names[0])
    else:
        run.keyholder.set_autolock(run.names[0], True)
    if not run.book.autolock:
        run.complain("keys", "autolock could not be turned on at the end")
    wait_for_rest(run, "with a new key")


# ---- the same everywhere

def view(name):
    """What a manager knows, without what differs by who is asked."""
    secrets = cluster.run(name, "swarmctl", "secret", "ls", "--json")
    nodes = cluster.run(name, "swarmctl", "node", "ls", "--json")
    if secrets.code != 0 or nodes.code != 0:
        return secrets, None
    listed = nodes.json()
    for node in listed:
        for member in ("Self", "UpdatedAt"):
            node.pop(member, None)
    return secrets, {"secrets": sorted(secrets.json(), key=lambda s: s["ID"]), "nodes": sorted(listed, key=lambda n: n["ID"])}


def differences(one, other):
    found = []
    for kind in ("secrets", "nodes"):
        left, right = ({item["ID"]: item for item in seen[kind]} for seen in (one, other))
        found += [f"{kind}: {json.dumps(left.get(i))} against {json.dumps(right.get(i))}" for i in sorted(left.keys() | right.keys())
                  if left.get(i) != right.get(i)]
    return found


def compare(run, when, patience=20):
    deadline = time.monotonic() + patience
    while True:
        seen = {name: view(name) for name in run.names}
        silent = [name for name, (_, what) in seen.items() if what is None]
        first = seen[run.names[0]][1]
        found = {} if silent else {name: differences(first, what) for name, (_, what) in seen.items() if differences(first, what)}
        if not silent and not found:
            break
        if time.monotonic() > deadline:
            for name in silent:
                run.complain("equal", f"{when}: {name} does not tell what it knows: {seen[name][0].text}")
            for name, what in found.items():
                run.complain("equal", f"{when}: {run.names[0]} and {name} differ in {len(what)} places: {'; '.join(what[:3])}")
            break
        time.sleep(0.5)
    for name, (answer, what) in seen.items():
        if what is not None:
            record(run, when, name, answer)
    if first is not None:
        nothing_lost(run, when, uids(first["secrets"]))


def record(run, when, name, answer):
    run.recorder.add({"client": f"final-{name}", "machine": name, "what": "list", "name": None, "uid": None, "begin": answer.begin,
                      "end": answer.end, "outcome": "ok", "value": uids(answer.json())})


def nothing_lost(run, when, there):
    """Plainer than linearizability, and independent of it."""
    created, touched = {}, set()
    for entry in run.recorder.entries:
        if entry["what"] == "create" and entry["outcome"] == "ok":
            created.setdefault(entry["name"], entry["uid"])
        elif entry["what"] == "remove" and entry["outcome"] in ("ok", "unknown"):
            touched.add(entry["name"])
    certain = {name: uid for name, uid in created.items() if name not in touched}
    lost = sorted(name for name, uid in certain.items() if there.get(name) != uid)
    run.say(f"{when}: {len(there)} secrets are there, {len(certain)} of them have to be")
    if lost:
        run.complain("lost", f"{when}: acknowledged, but not there: {lost[:10]} ({len(lost)} in all)")
    if not certain:
        run.complain("ran", "no acknowledged secret was left to look for")


# ---- what the disks say

def power_off_all(run):
    """All at once. Each has to be locked then, and to open with the key that was shown last, or the one before."""
    for unlocker in run.unlockers.values():
        unlocker.opened_with = None
    cluster.sandbox("kill", *run.names)
    cluster.sandbox("restart", *run.names)
    wait_for_rest(run, "after all lost power")
    for name, unlocker in run.unlockers.items():
        if unlocker.opened_with is None:
            run.complain("keys", f"{name} was not locked after it had lost power" if unlocker.state == "active" else
                         f"{name} opens with none of the {len(run.book.keys)} keys that were shown; it is {unlocker.state}")
        elif unlocker.opened_with > 1:
            run.complain("keys", f"{name} opened only with the key shown {unlocker.opened_with} before the last")


def look_for_crashes(run):
    for name in run.names:
        answer = cluster.run(name, "journalctl", "-q", "--no-pager", "-u", "swarm-manager", "--grep", CRASHES)
        for line in answer.out.splitlines():
            if "status=9/KILL" not in line:
                run.complain("crashes", f"{name}: {line}")
