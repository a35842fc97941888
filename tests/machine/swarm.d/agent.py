# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a machine: one command for each line of standard input, until its end. Starting a process here takes milliseconds, entering the
machine for each command would take tens of them.

A line is JSON: argv, input (text for standard input), timeout (seconds). So is the answer: code (null: ended by the time-out), out, err, and begin and
end on CLOCK_MONOTONIC, which all machines share with the host.
"""

import json
import subprocess
import sys
import time


def text(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def answer(question):
    begin = time.monotonic_ns()
    try:
        done = subprocess.run(question["argv"], input=question["input"].encode(), capture_output=True, timeout=question["timeout"])
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as e:
        code, out, err = None, e.stdout, e.stderr
    return {"code": code, "out": text(out), "err": text(err), "begin": begin, "end": time.monotonic_ns()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
