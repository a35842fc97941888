# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a machine: types at the prompts of a command that runs on a terminal of its own.

Standard input: the command, then a regular expression and a text to type for each prompt, separated by NUL.
"""

import os
import sys

import pexpect

command, *rest = sys.stdin.buffer.read().decode().split("\0")[:-1]
terminal = pexpect.spawn("/bin/sh", ["-c", command], timeout=float(sys.argv[1]), encoding="utf-8", codec_errors="replace")
terminal.delaybeforesend = 0.3  # seconds: who asks turns echo off after the prompt, and throws away what was typed before
terminal.logfile_read = sys.stdout
try:
    for prompt, text in zip(rest[::2], rest[1::2]):
        terminal.expect(prompt)
        terminal.sendline(text)
    terminal.expect(pexpect.EOF)
except pexpect.TIMEOUT:
    print(f"\ntypist: nothing matched {terminal.searcher} in time", flush=True)
    terminal.close(force=True)
    sys.exit(124)
except pexpect.EOF:
    print(f"\ntypist: the command ended before {terminal.searcher}", flush=True)
    terminal.close(force=True)
    sys.exit(terminal.exitstatus or 125)
terminal.close()
sys.stdout.flush()
os._exit(terminal.exitstatus if terminal.exitstatus is not None else 128 + terminal.signalstatus)
