# SPDX-License-Identifier: Apache-2.0
"""The Job controller and the garbage collector in memory do what the real ones do.

The same program is played on a real control plane and in memory; after each step both
rest, and must be alike. Where there is no time to rest, each single write must be one
that the model allows.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from tests.cluster.tiers import one_quick
from tests.traces.__main__ import Theatre, control_plane, theatre
from tests.traces.inclusion import explained
from tests.traces.programs import Program, drawn, read

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

DRAWN: Final = 60
RACING: Final = 240

# What was once another in memory than in truth.
FOUND: Final = {
    "startTime goes when a Job is suspended": (
        "backoffLimit=0 Never: suspend; resume; suspend; edit; resume; exit 0"
    ),
    "a finished Job goes in its time": (
        "backoffLimit=0 Never ttlSecondsAfterFinished=1: exit 1"
    ),
    "an owner that waits makes its Job wait": (
        "backoffLimit=1 Never: delete owner Foreground"
    ),
    "a Job that is left by its owner stays": (
        "backoffLimit=1 Never: delete owner Orphan; suspend; delete job Orphan"
    ),
    "a Job that is suspended before its end does not end": (
        "backoffLimit=0 Never: 1200; suspend; 0; exit 1; 1200; resume"
    ),
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Theatre]:
    with control_plane() as (plane, nodes), theatre(plane, nodes, "traces") as own:
        yield own


def plays(stage: Theatre, *chosen: Program) -> None:
    """Play programs; fail with each that came to another rest."""
    for outcome in stage.played(chosen):
        assert not outcome.differences, f"{outcome.program}\n{outcome.differences}"
        assert not (story := explained(outcome).story), story


@pytest.mark.parametrize("name", one_quick(FOUND))
def test_what_was_mended_stays_so(stage: Theatre, name: str) -> None:
    plays(stage, read(FOUND[name]))


@pytest.mark.long
def test_after_any_step_memory_and_truth_rest_alike(stage: Theatre) -> None:
    chance = Random(1)  # noqa: S311 - to be the same in every run.
    plays(stage, *(drawn(chance, races=False) for _ in range(DRAWN)))


@pytest.mark.long
def test_every_write_is_one_that_the_model_allows(stage: Theatre) -> None:
    """What was recorded of such programs is judged in `test_inclusion`, each time."""
    chance = Random(2)  # noqa: S311 - to be the same in every run.
    plays(stage, *(drawn(chance, races=True) for _ in range(RACING)))
