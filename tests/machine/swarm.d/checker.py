# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is the history of a chaos run linearizable? `checker.py HISTORY` says so, by its exit status too.

Names do not touch each other, so each is checked alone (linearizability is local). A list reads every name at once; of all these readings only those
are kept that can say something, since thousands of lists times thousands of names would be too many.
"""

import bisect
import itertools
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from history import NEVER, load
from linearize import Call, Search, TooHard


@dataclass
class Verdict:
    names: int = 0
    counts: Counter = field(default_factory=Counter)  # (what, outcome): how often
    readings: int = 0  # of single names that were compared, those of lists included
    problems: list = field(default_factory=list)  # (name, lines for people)

    @property
    def linearizable(self):
        return not self.problems


def call_of(entry):
    """None for what says nothing."""
    what, outcome = entry["what"], entry["outcome"]
    end = NEVER if entry["end"] is None else entry["end"]
    if outcome == "failed":
        return None
    if outcome == "unknown":
        return Call(what, entry["begin"], NEVER, entry.get("uid"), optional=True, entry=entry)
    if outcome in ("taken", "missing"):
        return Call(outcome, entry["begin"], end, entry=entry)
    return Call(what, entry["begin"], end, entry["value"] if what == "read" else entry.get("uid"), entry=entry)


def reading_of(entry, uid):
    return Call("read", entry["begin"], entry["end"], uid, entry=entry)


class Stretch:
    """The readings of one uid of a name. The name has it in one stretch of time, which must reach the first to end and the last to begin."""

    __slots__ = ("first", "last", "n")

    def __init__(self, entry):
        self.first = self.last = entry
        self.n = 1

    def add(self, entry):
        self.n += 1
        if entry["end"] < self.first["end"]:
            self.first = entry
        if entry["begin"] > self.last["begin"]:
            self.last = entry

    def readings(self, uid):
        return [reading_of(entry, uid) for entry in ([self.first] if self.first is self.last else [self.first, self.last])]


def note(stretches, uid, entry):
    if uid in stretches:
        stretches[uid].add(entry)
    else:
        stretches[uid] = Stretch(entry)


def last_change(calls, stretches):
    """When the last change of the name that is known to have happened was over."""
    ends = [call.end for call in calls if call.what in ("create", "remove") and not call.optional]
    ends += [stretch.first["end"] for stretch in stretches.values()]
    return max(ends, default=-1)


def not_found_in(lists, begins, name, calls, settled):
    """Readings of lists without the name, from the first call upon it on. Behind the last change the outermost say all."""
    late = None
    first = bisect.bisect_left(begins, min((call.begin for call in calls), default=NEVER))
    for entry in itertools.islice(lists, first, None):
        if name in entry["value"]:
            continue
        if entry["begin"] <= settled:
            yield reading_of(entry, None)
        elif late:
            late.add(entry)
        else:
            late = Stretch(entry)
    if late:
        yield from late.readings(None)


def sort_entries(entries, verdict):
    calls, seen, lists = defaultdict(list), defaultdict(dict), []
    for entry in entries:
        verdict.counts[entry["what"], entry["outcome"]] += 1
        if entry["what"] != "list":
            call = call_of(entry)
            if call is None:
                continue
            if call.what == "read" and call.uid is not None:
                note(seen[entry["name"]], call.uid, entry)
            else:
                calls[entry["name"]].append(call)
        elif entry["outcome"] == "ok":
            lists.append(entry)
            for name, uid in entry["value"].items():
                note(seen[name], uid, entry)
    lists.sort(key=lambda entry: entry["begin"])
    return calls, seen, lists


def check_name(name, calls, stretches, lists, begins, verdict):
    present = [reading for uid, stretch in stretches.items() for reading in stretch.readings(uid)]
    absent = list(not_found_in(lists, begins, name, calls + present, last_change(calls, stretches)))
    verdict.readings += sum(stretch.n for stretch in stretches.values()) + len(absent)
    search = Search(calls + present + absent)
    try:
        if not search.run():
            verdict.problems.append((name, search.explain()))
    except TooHard:
        verdict.problems.append((name, ["not decided: too many calls upon this name were never answered"]))


def check(entries):
    verdict = Verdict()
    calls, seen, lists = sort_entries(entries, verdict)
    begins = [entry["begin"] for entry in lists]
    for name in sorted(calls.keys() | seen.keys()):
        check_name(name, calls[name], seen[name], lists, begins, verdict)
        verdict.names += 1
    return verdict


def main(path):
    verdict = check(load(path))
    for name, lines in verdict.problems[:10]:
        print(f"{name}:", *lines, sep="\n  ")
    print(f"{verdict.names} names, {verdict.readings} readings, {len(verdict.problems)} not linearizable;",
          ", ".join(f"{what} {outcome}: {n}" for (what, outcome), n in sorted(verdict.counts.items())))
    return 0 if verdict.linearizable and verdict.names else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
