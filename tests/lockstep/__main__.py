# SPDX-License-Identifier: Apache-2.0
"""Do random programs on both servers: ``python -m tests.lockstep --programs 2000``.

Prints the rate, what was compared and what was left out, and each difference as a
program with no step too many. ``--table`` prints what is not compared, ``--mutants``
breaks the server in memory on purpose and tells what notices.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator

from tests.controlplane import harness
from tests.lockstep import mutants, plane, rows
from tests.lockstep.abstractions import Row
from tests.lockstep.compare import Difference, Judge
from tests.lockstep.programs import program_of


def run(judge: Judge, seeds: range) -> Iterator[tuple[int, Difference]]:
    """Yield the differences among the programs of some seeds, each with its seed."""
    for seed in seeds:
        found = judge.difference(program_of(seed))
        if found is not None:
            yield seed, judge.shortest(found)


def table() -> str:
    """Return what is not compared, as a table of a document."""
    rows = (f"| {row.what} | {row.why} |" for row in Row)
    return "\n".join(("| not compared | why |", "| --- | --- |", *rows))


def report(judge: Judge, seeds: range, *, first: bool) -> int:
    """Do the programs and print what came of them; return how many differ."""
    start = time.perf_counter()
    found = list(itertools.islice(run(judge, seeds), 1 if first else None))
    seconds = time.perf_counter() - start
    for seed, difference in found:
        sys.stdout.write(f"seed {seed}:\n{difference}\n")
    rate = f"{judge.programs / seconds:.1f} programs/s"
    steps = f"{judge.steps} steps"
    sys.stdout.write(f"{judge.programs} programs, {steps} in {seconds:.0f} s: {rate}\n")
    for row, count in judge.tally.most_common():
        sys.stdout.write(f"left out {count} times: {row.what}\n")
    sys.stdout.write(f"{len(found)} differences\n")
    return len(found)


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", action="store_true", help="stop at a difference")
    parser.add_argument("--mutants", action="store_true", help="break the model")
    parser.add_argument("--table", action="store_true", help="print what is left out")
    asked = parser.parse_args()
    if asked.table:
        sys.stdout.write(f"{table()}\n")
        return
    with plane.judge(harness.programs()) as judge:
        if asked.mutants:
            sys.exit(mutants.report(judge) + rows.report(judge))
        seeds = range(asked.seed, asked.seed + asked.programs)
        sys.exit(bool(report(judge, seeds, first=asked.first)))


if __name__ == "__main__":
    main()
