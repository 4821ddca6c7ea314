"""Runs the checks of `scripts/check-deploy`; see there."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boot
import environment
import faults
import files
import manifests
import network
from tree import OVERLAYS, Tree, Unusable

# Name → what it yields is wrong. Those of manifests are done once an overlay.
CHECKS = {
    "dockerfile": files.dockerfile,
    "compose": files.compose,
    "observability": files.observability,
    "workflows": files.workflows,
    "environment of compose": environment.of_compose,
    "table": environment.table_is_current,
    "boot": boot.check,
    "kafka": boot.kafka,
} | {
    f"{overlay}: {check.__name__}": (lambda tree, check=check, overlay=overlay: check(tree, overlay))
    for overlay in OVERLAYS
    for check in (*manifests.CHECKS, environment.environment, network.policies)
}


def complaints(tree, name):
    """What one check has to say."""
    try:
        return list(CHECKS[name](tree))
    except Unusable as unusable:
        return [str(unusable)]


def check(root):
    tree, bad = Tree(root), 0
    for name in CHECKS:
        found = complaints(tree, name)
        bad += len(found)
        print(f"{'ok  ' if not found else 'BAD '} {name}", *found, sep="\n       ")
    return bad


def self_test(root, only):
    """Every planted fault is found by its check, with its complaint; and every check has a fault that it finds."""
    bad = 0

    def find(fault):
        with faults.planted(root, fault) as tree:
            return fault, complaints(tree, fault.check)

    # Nearly all the time is that of the tools that are called.
    for fault, found in ThreadPoolExecutor(os.cpu_count()).map(find, [it for it in faults.FAULTS if only in it.check]):
        seen = any(fault.complaint in complaint for complaint in found)
        bad += not seen
        print(f"{'found ' if seen else 'MISSED'} {fault.check}: {fault.complaint}")
        if not seen:
            print(*found, sep="\n       ")
    tested = {fault.check.removeprefix("production: ").removeprefix("local: ") for fault in faults.FAULTS}
    for name in {name.removeprefix("production: ").removeprefix("local: ") for name in CHECKS} - tested:
        bad += 1
        print(f"MISSED {name}: no fault is planted for it")
    return bad


def main(arguments):
    root = Path(__file__).resolve().parents[2]
    match arguments:
        case []:
            bad = check(root)
        case ["--self-test", *only]:
            bad = self_test(root, "".join(only))
        case ["--write"]:
            environment.write_table(root)
            bad = 0
        case _:
            sys.exit(f"check-deploy: unknown: {' '.join(arguments)} (see --help)")
    sys.exit(bad > 0)


main(sys.argv[1:])
