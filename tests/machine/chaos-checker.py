# SPDX-License-Identifier: LGPL-2.1-or-later
# machines: 0
"""The checker of chaos runs itself: histories whose verdict is known, and small random ones beside a search that tries every order."""

import itertools
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "swarm.d"))

import checker  # noqa: E402
import history  # noqa: E402
import linearize  # noqa: E402

NEVER = history.NEVER


def entry(what, begin, end, outcome="ok", name="n", **more):
    more.setdefault("uid", f"{name}@{begin}" if what == "create" else None)
    return {"client": "c", "machine": "m1", "what": what, "name": name, "begin": begin, "end": end, "outcome": outcome, **more}


def create(begin, end, uid, outcome="ok", **more):
    return entry("create", begin, end, outcome, uid=uid, **more)


def remove(begin, end, outcome="ok", **more):
    return entry("remove", begin, end, outcome, **more)


def read(begin, end, value, **more):
    return entry("read", begin, end, value=value, **more)


def names(begin, end, **value):
    return entry("list", begin, end, name=None, value=value)


GOOD = {
    "nothing": [],
    "in-turn": [create(0, 1, "a"), read(2, 3, "a"), remove(4, 5), read(6, 7, None), create(8, 9, "b"), read(10, 11, "b")],
    "read-during-a-create": [create(0, 10, "a"), read(1, 2, None), read(3, 4, "a")],
    "read-during-a-remove": [create(0, 1, "a"), remove(2, 10), read(3, 4, "a"), read(5, 6, None)],
    "two-create-one-wins": [create(0, 10, "a"), create(0, 10, "b", "taken"), read(11, 12, "a")],
    "taken-while-the-other-has-no-answer": [create(0, None, "a", "unknown"), create(5, 6, "b", "taken"), read(7, 8, "a")],
    "taken-by-one-that-nobody-sees": [create(0, None, "a", "unknown"), create(5, 6, "b", "taken"), remove(7, 8), create(9, 10, "c")],
    "unanswered-create-never-happened": [create(0, None, "a", "unknown"), read(5, 6, None), create(7, 8, "b"), read(9, 10, "b")],
    "unanswered-create-happens-late": [create(0, None, "a", "unknown"), read(5, 6, None), read(7, 8, "a")],
    "unanswered-remove-happened": [create(0, 1, "a"), remove(2, None, "unknown"), read(3, 4, "a"), read(5, 6, None)],
    "unanswered-remove-did-not": [create(0, 1, "a"), remove(2, None, "unknown"), read(3, 4, "a"), read(50, 60, "a")],
    "two-unanswered-removes": [create(0, 1, "a"), remove(2, None, "unknown"), remove(2, None, "unknown"), read(5, 6, None),
                               create(7, 8, "b"), read(9, 10, None), create(11, 12, "c")],
    "missing-between": [create(0, 1, "a"), remove(2, 3), remove(4, 5, "missing"), create(6, 7, "b")],
    "failed-says-nothing": [create(0, 1, "a", "failed"), create(2, 3, "b"), remove(4, 5, "failed"), read(6, 7, "b")],
    "lists": [names(0, 1), create(2, 9, "a"), names(3, 4), names(5, 6, n="a"), create(7, 8, "b", name="o"), names(10, 11, n="a", o="b"),
              remove(12, 13), names(14, 15, o="b"), names(16, 17, o="b")],
    "list-during-both": [create(0, 10, "a"), remove(0, 10), names(0, 10), names(0, 10, n="a")],
    "names-do-not-touch-each-other": [create(0, 1, "a", name="x"), create(2, 3, "b", name="y"), remove(4, 5, name="x"), read(6, 7, "b", name="y")],
}

BAD = {
    "acknowledged-create-lost": [create(0, 1, "a"), read(2, 3, None)],
    "acknowledged-create-lost-from-lists": [create(0, 1, "a"), names(2, 3, n="a"), names(4, 5)],
    "lost-at-once-from-lists": [create(0, 1, "a"), create(0, 1, "o", name="o"), names(4, 5, o="o")],
    "lost-after-an-hour": [create(0, 1, "a"), *[names(i, i + 1, n="a") for i in range(2, 3000)], names(5000, 5001)],
    "lost-for-a-moment": [create(0, 1, "a"), names(2, 3, n="a"), names(4, 5), names(6, 7, n="a")],
    "acknowledged-remove-undone": [create(0, 1, "a"), remove(2, 3), read(4, 5, "a")],
    "removed-comes-back-in-lists": [create(0, 1, "a"), remove(2, 3), names(4, 5), names(6, 7), names(8, 9, n="a")],
    "stale-read": [create(0, 1, "a"), remove(2, 3), create(4, 5, "b"), read(6, 7, "a")],
    "stale-absence": [create(0, 1, "a"), remove(2, 3), create(4, 5, "b"), read(6, 7, None)],
    "read-goes-back": [create(0, 10, "a"), read(1, 2, "a"), read(3, 4, None)],
    "from-the-future": [read(0, 1, "a"), create(2, 3, "a")],
    "from-nowhere": [read(0, 1, "z")],
    "from-nowhere-in-a-list": [names(0, 1, n="z")],
    "failed-but-done": [create(0, 1, "a", "failed"), read(2, 3, "a")],
    "both-created": [create(0, 10, "a"), create(0, 10, "b")],
    "both-created-one-unanswered": [create(0, None, "a", "unknown"), read(1, 2, "a"), create(3, 4, "b")],
    "both-removed": [create(0, 1, "a"), remove(2, 10), remove(2, 10)],
    "taken-by-nobody": [create(0, 1, "a", "taken")],
    "own-retry-says-taken": [create(0, 1, "a", "taken"), read(2, 3, "a")],
    "missing-while-there": [create(0, 1, "a"), remove(2, 3, "missing")],
    "remove-of-nothing": [remove(0, 1)],
    "unanswered-remove-twice": [create(0, 1, "a"), remove(2, None, "unknown"), read(3, 4, None), create(5, 6, "b"), read(7, 8, None)],
    "unanswered-create-before-it-began": [read(0, 1, "a"), create(2, None, "a", "unknown")],
    "unanswered-create-twice": [create(0, None, "a", "unknown"), read(1, 2, "a"), remove(3, 4), read(5, 6, "a")],
    "two-orders": [create(0, 1, "a"), remove(2, 20), create(3, 20, "b"), read(4, 5, "b"), read(6, 7, "a")],
    "split-brain": [create(0, 1, "a"), remove(2, 3), create(4, 5, "b"), read(6, 7, "b"), remove(8, 9), read(8, 20, "b"), read(21, 22, "b")],
}


def every_order(calls):
    """The same question, asked of all orders of all choices of unanswered calls that took place."""
    optional = [c for c in calls if c.optional]
    for n in range(len(optional) + 1):
        for chosen in itertools.combinations(optional, n):
            there = [c for c in calls if not c.optional] + list(chosen)
            if any(in_order(order) for order in itertools.permutations(there)):
                return True
    return False


def in_order(order):
    state = None
    for i, call in enumerate(order):
        if any(later.end < call.begin for later in order[i + 1:]):
            return False
        if call.what == "create" and state is None:
            state = call.uid
        elif call.what == "remove" and state is not None:
            state = None
        elif not linearize.observes(call, state):
            return False
    return True


def plain_calls(entries):
    """Without what the checker leaves out or puts together."""
    calls = []
    for e in entries:
        if e["what"] == "list":
            calls.append(linearize.Call("read", e["begin"], e["end"], e["value"].get("n")))
        elif (call := checker.call_of(e)) is not None:
            calls.append(call)
    return calls


def random_history(chance, n, span, wrong):
    """What n callers of one true register are told. With `wrong` an answer may be untrue."""
    entries, plans, state = [], [], None
    for i in range(n):
        begin = chance.randrange(span)
        end = begin + chance.randrange(1, 2 + span // 3)
        plans.append((chance.uniform(begin, end), begin, end, chance.choice(["create", "create", "remove", "read", "list"]), i))
    for _, begin, end, what, i in sorted(plans):
        unanswered, happened = chance.random() < 0.25, chance.random() < 0.5
        if what == "create":
            outcome = "ok" if state is None else "taken"
            if not unanswered or happened:
                state = state or f"u{i}"
            entries.append(create(begin, None if unanswered else end, f"u{i}", "unknown" if unanswered else outcome))
        elif what == "remove":
            outcome = "missing" if state is None else "ok"
            if not unanswered or happened:
                state = None
            entries.append(remove(begin, None if unanswered else end, "unknown" if unanswered else outcome))
        else:
            told = state
            if wrong and chance.random() < 0.3:
                told = chance.choice([None, *[f"u{k}" for k in range(n)]])
            entries.append(read(begin, end, told) if what == "read" else names(begin, end, **({"n": told} if told else {})))
    return entries


def known_verdicts(histories, expected):
    for name, entries in histories.items():
        for e in entries:
            history.check_form(e)
        assert checker.check(entries).linearizable == expected, name
        if len(plain_calls(entries)) <= 8 and all(e["name"] in ("n", None) for e in entries):
            assert every_order(plain_calls(entries)) == expected, f"{name}: in the test itself"


def beside_every_order():
    chance, verdicts = random.Random(1), []
    for i in range(4000):
        entries = random_history(chance, chance.randrange(2, 8), chance.choice([4, 10, 30]), wrong=i % 2)
        expected = every_order(plain_calls(entries))
        assert checker.check(entries).linearizable == expected, (i, expected, entries)
        verdicts.append(expected)
    assert 500 < verdicts.count(False) < 3500, verdicts.count(False)


def true_registers_pass():
    chance = random.Random(2)
    for i in range(60):
        entries = random_history(chance, 120, chance.choice([100, 400, 2000]), wrong=False)
        assert checker.check(entries).linearizable, i


def long_run(chance, seconds, broken):
    """As chaos makes it: names that live for a while, lists of all of them, some calls unanswered. broken: one acknowledged create is lost at the end."""
    entries, there, serial = [], {}, 0
    for now in range(0, seconds * 1000, 40):
        begin, end = now * 1000, now * 1000 + chance.randrange(100, 30_000)
        serial += 1
        what = chance.random()
        if what < 0.5 or not there:
            unanswered = chance.random() < 0.05
            entries.append(create(begin, None if unanswered else end, f"u{serial}", "unknown" if unanswered else "ok", name=f"n{serial}"))
            if not unanswered or chance.random() < 0.5:
                there[f"n{serial}"] = f"u{serial}"
        elif what < 0.9 and len(there) > 200:
            name = next(iter(there))
            unanswered = chance.random() < 0.05
            entries.append(remove(begin, None if unanswered else end, "unknown" if unanswered else "ok", name=name))
            if not unanswered or chance.random() < 0.5:
                del there[name]
        else:
            entries.append(names(begin, end, **there))
    if broken:
        gone = max(e["name"] for e in entries if e["what"] == "create" and e["outcome"] == "ok" and e["name"] in there)
        del there[gone]
    entries.append(names(seconds * 10**6, seconds * 10**6 + 1, **there))
    return entries


def long_runs():
    for broken in (False, True):
        verdict = checker.check(long_run(random.Random(3), 300, broken))
        assert verdict.names > 1500 and verdict.linearizable != broken
        assert not broken or len(verdict.problems) == 1


def contended(broken):
    """60 callers at once upon one name, many of them unanswered: what makes a search explode."""
    chance, entries = random.Random(4), []
    for i in range(60):
        begin = i * 10
        entries.append(create(begin, None, f"u{i}", "unknown") if i % 3 else create(begin, begin + 400, f"u{i}", "taken"))
        entries.append(remove(begin + 5, None, "unknown"))
    entries.append(read(0, 700, None))
    entries.append(create(800, 801, "last"))
    entries.append(read(802, 803, "u59" if broken else "last"))
    chance.shuffle(entries)
    return entries


def unanswered_calls():
    assert checker.check(contended(False)).linearizable
    entries = contended(True)
    entries = [e for e in entries if e["uid"] != "u59"]
    assert not checker.check(entries).linearizable


def failures_are_explained():
    (name, lines), = checker.check(BAD["stale-read"]).problems
    assert name == "n" and any(line.startswith("*") and "read" in line for line in lines), lines


def odd_entries_are_refused():
    for bad in (read(0, None, "a"), entry("read", 0, 1, "taken", value=None), create(5, 1, "a"), create(0, 1, ""), entry("list", 0, 1)):
        try:
            history.check_form(bad)
        except (ValueError, KeyError):
            continue
        raise AssertionError(bad)


def case(name, function, *arguments):
    try:
        function(*arguments)
    except AssertionError as e:
        print(f"not ok checker-{name}: {e}", flush=True)
        return False
    print(f"ok checker-{name}", flush=True)
    return True


RESULTS = [
    case("good-histories-pass", known_verdicts, GOOD, True),
    case("bad-histories-are-found", known_verdicts, BAD, False),
    case("agrees-with-trying-every-order", beside_every_order),
    case("true-registers-pass", true_registers_pass),
    case("long-runs", long_runs),
    case("many-unanswered-calls", unanswered_calls),
    case("failures-are-explained", failures_are_explained),
    case("odd-entries-are-refused", odd_entries_are_refused),
]
sys.exit(0 if all(RESULTS) else 1)
