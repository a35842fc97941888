# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the calls upon one name are linearizable: Wing and Gong's search, remembering the configurations that led nowhere.

The object is the name: free (None), or taken by the create with a certain uid. A configuration is the set of calls that have had their effect, and
the state that they left.
"""

from dataclasses import dataclass
from typing import Optional

from history import NEVER

CONFIGURATIONS_MAX = 500_000
ANYBODY = "?"  # the state after a create that nobody ever saw


@dataclass
class Call:
    what: str  # create, remove, taken, missing, read
    begin: int
    end: int
    uid: Optional[str] = None  # create: its own; read: what it found
    optional: bool = False  # may have had no effect at all
    entry: Optional[dict] = None  # of the history, for people


class TooHard(Exception):
    pass


def observes(call, state):
    """For calls that change nothing: whether they fit the state. None for the others."""
    if call.what == "read":
        return state == call.uid
    if call.what == "taken":
        return state is not None
    if call.what == "missing":
        return state is None
    return None


def bound_unknown(calls):
    """An unanswered create that was seen did happen, before whoever saw it was answered. All others of them are alike."""
    seen = {}
    for call in calls:
        if call.what == "read" and call.uid is not None:
            seen[call.uid] = min(call.end, seen.get(call.uid, NEVER))
    for call in calls:
        if call.what == "create" and call.optional:
            if call.uid in seen:
                call.end, call.optional = seen[call.uid], False
            else:
                call.uid = ANYBODY


class Search:
    def __init__(self, calls):
        bound_unknown(calls)
        self.calls = sorted(calls, key=lambda call: (call.begin, call.end))
        self.needed = sum(1 << i for i, call in enumerate(self.calls) if not call.optional)
        self.best = (-1, 0, None)  # how many calls were placed, which, and the state then: for people

    def candidates(self, done):
        """The calls that may be next: begun before any of those left has ended. Of unanswered ones that are alike, the first."""
        first_end = NEVER + 1
        alike = set()
        left = ~done & ((1 << len(self.calls)) - 1)
        while left:
            lowest = left & -left
            left ^= lowest
            i = lowest.bit_length() - 1
            call = self.calls[i]
            if call.begin > first_end:
                return
            if call.optional:
                if call.what in alike:
                    continue
                alike.add(call.what)
            first_end = min(first_end, call.end)
            yield i, call

    def settle(self, done, state):
        """What changes nothing and fits may as well happen now: that never spoils what could follow."""
        found = True
        while found:
            found = False
            for i, call in self.candidates(done):
                if observes(call, state):
                    done |= 1 << i
                    found = True
        return done

    def successors(self, done, state):
        for i, call in self.candidates(done):
            if call.what == "create" and state is None:
                yield done | 1 << i, call.uid
            elif call.what == "remove" and state is not None:
                yield done | 1 << i, None

    def run(self):
        stack = [(self.settle(0, None), None)]
        visited = set(stack)
        while stack:
            done, state = stack.pop()
            placed = (done & self.needed).bit_count()
            if placed > self.best[0]:
                self.best = (placed, done, state)
            if done & self.needed == self.needed:
                return True
            for after, state_after in self.successors(done, state):
                configuration = (self.settle(after, state_after), state_after)
                if configuration not in visited:
                    visited.add(configuration)
                    stack.append(configuration)
            if len(visited) > CONFIGURATIONS_MAX:
                raise TooHard
        return False

    def explain(self, most=40):
        """The calls around the first one that fits nowhere."""
        _, done, state = self.best
        stuck = next((i for i, call in enumerate(self.calls) if not call.optional and not done >> i & 1), 0)
        lines = [f"the search got as far as the name being {'free' if state is None else f'taken by {state}'}; * marks what fits nowhere then"]
        for i in range(max(0, stuck - most // 2), min(len(self.calls), stuck + most // 2)):
            call = self.calls[i]
            end = "never" if call.end >= NEVER else f"{(call.end - self.calls[0].begin) / 1e6:.1f}"
            entry = call.entry or {}
            mark = " " if done >> i & 1 or call.optional else "*"
            lines.append(f"{mark} {(call.begin - self.calls[0].begin) / 1e6:.1f} … {end} ms {entry.get('client', '')}: "
                         f"{call.what} {call.uid if call.uid else '' if call.what != 'read' else 'nothing'}"
                         f"{' (unanswered)' if call.optional else ''}")
        return lines
