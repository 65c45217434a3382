# SPDX-License-Identifier: Apache-2.0
"""The API server in memory does what the real one does, request by request.

`python -m tests.lockstep --programs 2000` does more programs; `--mutants` breaks the
one in memory to see that the real one notices, `--table` prints what is not compared.
"""

from collections.abc import Iterator

import pytest

from tests.controlplane.fixtures import needed_programs
from tests.lockstep import plane, rows
from tests.lockstep.__main__ import run
from tests.lockstep.abstractions import COMPARED
from tests.lockstep.compare import Judge
from tests.lockstep.faults import FAULTS
from tests.lockstep.mutants import MUTANTS, Mutant, killer
from tests.lockstep.stories import STORIES, refused

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A real API server of this module's own, without controllers."""
    with plane.judge(needed_programs()) as found:
        yield found


@pytest.mark.parametrize("story", STORIES)
def test_what_once_told_the_servers_apart_does_no_more(
    judge: Judge, story: str
) -> None:
    found = judge.difference(STORIES[story])
    assert found is None, str(found)


@pytest.mark.parametrize("kind", FAULTS)
def test_what_is_refused_is_refused_alike(judge: Judge, kind: str) -> None:
    for what, fault in FAULTS[kind].items():
        found = judge.difference(refused(kind, fault))
        assert found is None, f"{what}:\n{found}"


def _differing(judge: Judge, seeds: range) -> list[str]:
    return [f"seed {seed}:\n{found}" for seed, found in run(judge, seeds)]


def test_random_programs_end_alike(judge: Judge) -> None:
    found = _differing(judge, range(60))
    assert not found, found[0]


def test_all_that_is_left_out_is_needed(judge: Judge) -> None:
    _differing(judge, range(100, 120))
    for story in STORIES.values():
        judge.difference(story)
    never = [row.what for row in COMPARED if not judge.tally[row]]
    assert not never, f"compare it, and take it off the table: {never}"


@pytest.mark.long
def test_more_random_programs_end_alike(judge: Judge) -> None:
    found = _differing(judge, range(1000, 1600))
    assert not found, found[0]


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_real_server_tells_a_mutant(judge: Judge, mutant: Mutant) -> None:
    assert killer(judge, mutant) is not None


@pytest.mark.long
def test_the_real_server_tells_that_a_row_is_missing(judge: Judge) -> None:
    known = rows.record(judge)
    found = next(known.differing(), None)
    assert found is None, found
    assert list(rows.unnoticed(known)) == []
