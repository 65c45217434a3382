# SPDX-License-Identifier: Apache-2.0
"""Let the laws look at one mutant, in a process of its own.

Hypothesis tries each law a few times, always the same ones; a scene is searched for a
while. No file is touched: the process imports the mutant in place of the module.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import hypothesis
import pytest
from attrs import frozen

from properties.curated.laws import home_of, law_of, test_of
from properties.curated.mutant import Mutant
from tests.tools.importing import InPlaceOf, silence

# A mutant may loop; no file of laws takes half as long.
PATIENCE_S: Final = 120
# Below a hundred a law does not insist on what must happen now and then.
TRIES: Final = 90
STATES: Final = 20_000
SECONDS: Final = 45.0
# What a child has when it starts; nothing that can be broken is among it.
PRELOADED: Final = (hypothesis, pytest)
SCENE: Final = "scene"
# What no law says: the search itself broke off, or nobody heard anything more.
RAISES: Final = "it raises"
ENDLESS: Final = "it does not end"
UNLAWFUL: Final = (RAISES, ENDLESS, "unread")


@frozen
class Verdict:
    """Who noticed a mutant."""

    killers: tuple[str, ...]  # Ids of tests, and laws that a search found broken.
    seconds: float
    moves: int = 0  # Of the shortest story that a search found; 0: none searched.


class Heard:
    """Notes which tests fail, for pytest."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that failed."""
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot even be read: nobody asked the laws then."""
        if report.failed:
            self.failed.append(f"unread {report.nodeid}::")


def by_laws(tests: Sequence[str]) -> Iterator[str]:
    """Yield the laws that fail, in this process."""
    hypothesis.settings.register_profile(
        "curated",
        max_examples=TRIES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    os.environ["HYPOTHESIS_PROFILE"] = "curated"
    heard = Heard()
    flags = ["-q", "--assert=plain", "-p", "no:cacheprovider", "--tb=no"]
    pytest.main([*flags, *tests], plugins=[heard])
    yield from map(law_of, heard.failed)


def by_search(asked: str) -> Iterator[tuple[str, int]]:
    """Yield the law that a search of a scene finds broken, and after how many moves.

    What is asked is a scene, and perhaps the number of a law that is asked alone.
    """
    from properties.curated.scenes import searched  # noqa: PLC0415 - sees the mutant.

    name, _, number = asked.partition(" | ")
    law = home_of(number) if number else ""
    try:
        yield from searched(name, law, STATES, SECONDS)
    except Exception as trouble:  # noqa: BLE001 - whatever a mutant makes fail.
        yield f"{RAISES}: {type(trouble).__name__}", 0


def killers(mutant: Mutant | None, asked: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Ask the laws about a mutant, or about the code as it is, in this process.

    Returns:
        Who noticed it, and the moves of the shortest story that a search found.
    """
    assert "mpijob" not in sys.modules, "the mutant would come too late"
    if mutant is not None:
        where = InPlaceOf(mutant.module, mutant.path, mutant.source)
        sys.meta_path.insert(0, where)
    tests = [test_of(each) for each in asked if not each.startswith(SCENE)]
    found = [*by_laws(tests)] if tests else []
    stories: list[int] = []
    for each in asked:
        if each.startswith(SCENE):
            for law, moves in by_search(each.removeprefix(f"{SCENE}: ")):
                found.append(law)
                stories.append(moves)
    return tuple(dict.fromkeys(found)), min(filter(None, stories), default=0)


def judged(
    mutant: Mutant | None, asked: Sequence[str], patience_s: int = PATIENCE_S
) -> Verdict:
    """Fork a process that asks in silence; return what it heard."""
    began = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(patience_s)
        _answer(writing, mutant, asked)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    # Who says nothing was killed by the alarm, or by itself.
    found, moves = json.loads(told) if told else ([ENDLESS], 0)
    return Verdict(tuple(found), round(time.monotonic() - began, 1), moves)


def _answer(writing: int, mutant: Mutant | None, asked: Sequence[str]) -> None:
    try:
        silence()
        found = killers(mutant, asked)
        os.write(writing, json.dumps(found).encode())
    finally:
        os._exit(0)
