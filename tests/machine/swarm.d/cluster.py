# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machines of the sandbox, as tests written in Python see them."""

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Optional

SANDBOX = os.environ["SANDBOX"]
AGENT = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.py")).read()
DROP_IN = "/etc/systemd/system/swarm-manager.service.d/small-snapshots.conf"


class Gone(Exception):
    """The machine died, or is off; what was asked of it may have been done."""


@dataclass
class Answer:
    code: Optional[int]  # None: no answer in time
    out: str
    err: str
    begin: int
    end: int

    @property
    def text(self):
        return (self.err or self.out).strip()

    def json(self):
        return json.loads(self.out)


def sandbox(*arguments, check=True):
    return subprocess.run([SANDBOX, *arguments], check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def start(machine, *argv, **pipes):
    return subprocess.Popen([SANDBOX, "run", machine, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **pipes)


def end(process):
    """Its children in the machine, too: they would keep the pipes open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.communicate()


def read_lines(pipe, lines, told):
    with pipe:
        for line in pipe:
            lines.append(line)
            if told:
                told(line)


def run(machine, *argv, text="", timeout=60, told=None):
    """A command whose output comes straight here: what a machine has printed before it dies arrives. told gets each line of it when it comes."""
    begin = time.monotonic_ns()
    process = start(machine, *argv, stderr=subprocess.PIPE)
    lines, (stdout, process.stdout) = [], (process.stdout, None)
    reader = threading.Thread(target=read_lines, args=(stdout, lines, told))
    reader.start()
    try:
        _, err = process.communicate(text, timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        _, err = end(process)
        code = None
    reader.join()
    return Answer(code, "".join(lines), err, begin, time.monotonic_ns())


class Agent:
    """agent.py in a machine, started when it is needed. For one thread."""

    def __init__(self, machine):
        self.machine = machine
        self.process = None

    def ask(self, *argv, text="", timeout=15):
        if self.process is None:
            self.process = start(self.machine, "python3", "-c", AGENT, stderr=subprocess.DEVNULL)
        try:
            self.process.stdin.write(json.dumps({"argv": argv, "input": text, "timeout": timeout}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line.endswith("\n"):
            self.close()
            raise Gone(self.machine)
        return Answer(**json.loads(line))

    def close(self):
        if self.process is not None:
            end(self.process)
            self.process = None


def info(asker):
    """What `swarmctl info` says, or {"State": "unreachable"}. asker is an Agent."""
    try:
        answer = asker.ask("swarmctl", "info", "--json", timeout=5)
    except Gone:
        return {"State": "unreachable", "Error": "the machine is off"}
    return answer.json() if answer.code == 0 else {"State": "unreachable", "Error": answer.text}


def nodes(asker):
    """`swarmctl node ls`, or None where the manager does not tell."""
    try:
        answer = asker.ask("swarmctl", "node", "ls", "--json", timeout=5)
    except Gone:
        return None
    return answer.json() if answer.code == 0 else None


def join(machine, via):
    """Makes it a manager of the swarm that the other one is in."""
    token = run(via, "swarmctl", "join-token", "-q", "manager").out
    answer = run(machine, "swarmctl", "join", "--token", "-", f"{via}:2377", text=token)
    if answer.code != 0:
        raise SystemExit(f"{machine} cannot join: {answer.text}")
    return answer


def small_snapshots(machines, threshold):
    """A snapshot every so many entries, and a few entries kept behind it, so that a short run sees many of them installed and written."""
    for machine in machines:
        run(machine, "sh", "-ec", f"""
            mkdir -p {os.path.dirname(DROP_IN)}
            printf '[Service]\\nEnvironment=SWARM_SNAPSHOT_THRESHOLD={threshold}\\n' >{DROP_IN}
            systemctl daemon-reload
            systemctl restart swarm-manager""")
