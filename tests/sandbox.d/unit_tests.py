# SPDX-License-Identifier: LGPL-2.1-or-later
"""Meson's tests: `list DIRECTORY PATTERN FLAVOUR` names those that match, `report DIRECTORY FLAVOUR COUNT` prints their results.

Those of the suite `kill` are not repeated with sanitizers: one that is killed reports nothing."""

import json
import os
import sys

GOOD = {"OK", "EXPECTEDFAIL"}


def list_tests(directory, pattern, flavour):
    with open(os.path.join(directory, "meson-info", "intro-tests.json")) as file:
        for test in json.load(file):
            kills = any(suite.split(":")[-1] == "kill" for suite in test["suite"])
            if pattern in test["name"] and not (kills and flavour == "asan"):
                print(test["name"])


def last_line(test):
    lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")


def report(directory, flavour, expected):
    with open(os.path.join(directory, "meson-logs", "testlog.json")) as file:
        tests = [json.loads(line) for line in file]
    for test in tests:
        name = f"unit:{flavour}:{test['name'].split(' / ')[-1].split(':')[-1]}"
        if test["result"] in GOOD:
            print("ok", name)
        elif test["result"] == "SKIP":
            print(f"skip {name}: {last_line(test)}")
        else:
            print(f"not ok {name}: {test['result'].lower()}: {last_line(test)}")
            output = test.get("stdout", "") + test.get("stderr", "")
            for line in output.rstrip().split("\n")[-60:]:
                print("   |", line)
    if len(tests) < expected:
        print(f"not ok unit:{flavour}: {expected - len(tests)} tests have no result")


if sys.argv[1] == "list":
    list_tests(sys.argv[2], sys.argv[3], sys.argv[4])
else:
    report(sys.argv[2], sys.argv[3], int(sys.argv[4]))
