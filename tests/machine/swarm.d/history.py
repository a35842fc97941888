# SPDX-License-Identifier: LGPL-2.1-or-later
"""What clients did to secrets, and what they were told: one JSON object per line.

member   is
-------  ------------------------------------------------------------------------------------------------------------
client   who did it; a client does one thing after the other
machine  the manager that was asked
what     create, remove, read (one name) or list (all names)
name     of the secret; not in list
uid      create only: a label of the secret that no other create has
begin    nanoseconds, a clock that all clients share
end      likewise; null when no answer came
outcome  ok; taken (create: the name exists); missing (remove: no such name); failed (nothing was done); unknown (it may have been
         done, or may be yet)
value    read, ok: the uid found, or null; list, ok: {name: uid}
why      what a person was told, for other outcomes than ok
"""

import json
import threading

NEVER = 1 << 63
OUTCOMES = {
    "create": {"ok", "taken", "failed", "unknown"},
    "remove": {"ok", "missing", "failed", "unknown"},
    "read": {"ok", "failed"},
    "list": {"ok", "failed"},
}


def check_form(entry):
    """Refuses what a checker would silently pass over."""
    what, outcome = entry["what"], entry["outcome"]
    if outcome not in OUTCOMES[what]:
        raise ValueError(f"a {what} cannot end as {outcome}: {entry}")
    if entry["end"] is None and outcome not in ("unknown", "failed"):
        raise ValueError(f"an answer without an end: {entry}")
    if entry["end"] is not None and entry["end"] < entry["begin"]:
        raise ValueError(f"ends before it begins: {entry}")
    if what == "create" and not entry["uid"]:
        raise ValueError(f"a create without a uid: {entry}")
    if what in ("read", "list") and outcome == "ok" and "value" not in entry:
        raise ValueError(f"a {what} without a value: {entry}")


class Recorder:
    """Collects the entries, and keeps them in a file for whoever looks into a failure."""

    def __init__(self, path):
        self.entries = []
        self.file = open(path, "w")
        self.lock = threading.Lock()

    def add(self, entry):
        check_form(entry)
        with self.lock:
            self.entries.append(entry)
            self.file.write(json.dumps(entry) + "\n")

    def close(self):
        self.file.close()


def load(path):
    with open(path) as file:
        entries = [json.loads(line) for line in file]
    for entry in entries:
        check_form(entry)
    return entries
