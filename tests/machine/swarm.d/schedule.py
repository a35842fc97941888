# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the nemesis will do, and when: the same for the same seed, number of machines and length, whatever the swarm makes of it."""

import random
from dataclasses import dataclass

LEADER = 0  # as a machine's number: whoever leads then

# kind: how many cards of it are in the deck that is dealt again and again, so that a short run sees every kind
ONE_MACHINE = {"power": 2, "crash": 2, "reboot": 1, "restart": 2, "freeze": 1, "rotate": 3, "autolock": 1}
SEVERAL = {**ONE_MACHINE, "cut": 3, "demote": 2, "outage": 1}


@dataclass
class Event:
    at: float  # seconds since the start
    kind: str
    machines: list  # numbers
    seconds: float  # how long it lasts, where it lasts
    reckless: bool = False  # even if a majority is down or cut off then

    def __str__(self):
        who = "+".join("leader" if m == LEADER else f"m{m}" for m in self.machines)
        return f"{self.at:6.1f} s  {self.kind} {who} for {self.seconds:.1f} s{' (reckless)' if self.reckless else ''}"


def deal(chance, deck):
    cards = [kind for kind, n in deck.items() for _ in range(n)]
    chance.shuffle(cards)
    # one of each kind first
    seen = set()
    cards.sort(key=lambda kind: (kind in seen, seen.add(kind))[0])
    return cards


def make(seed, machines, seconds, pace=1.4):
    """Events about every `pace` seconds, the last early enough to be over at the end."""
    chance = random.Random(f"nemesis {seed} {machines}")
    deck = SEVERAL if machines > 2 else ONE_MACHINE
    events, cards, now = [], [], 1.0
    while True:
        now += chance.uniform(0.3, 2 * pace - 0.3)
        if now > seconds - 2:
            return events
        cards = cards or deal(chance, deck)
        kind = cards.pop(0)
        if kind == "outage":  # a majority, or everybody, loses power at the same instant
            who = sorted(chance.sample(range(1, machines + 1), chance.randrange(machines // 2 + 1, machines + 1)))
        elif chance.random() < 0.35 and kind not in ("rotate", "autolock", "demote"):
            who = [LEADER]
        else:
            who = [chance.randrange(1, machines + 1)]
        length = min(chance.uniform(0.3, 6), seconds - now)
        events.append(Event(now, kind, who, length, kind == "outage" or chance.random() < 0.15))
