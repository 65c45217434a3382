# SPDX-License-Identifier: Apache-2.0
"""The Job controller and the garbage collector in memory do what the real ones do.

The same program is played on a real control plane and in memory; after each step both
rest, and must be alike.
"""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Final

import pytest

from tests.cluster.tiers import one_quick
from tests.controlplane.fixtures import Cluster
from tests.traces.__main__ import Theatre, theatre
from tests.traces.programs import Program, drawn, read

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

NUMBERS: Final = count(1)
DRAWN: Final = 60

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
}


@pytest.fixture(scope="module")
def stage(cluster: Cluster) -> Iterator[Theatre]:
    namespace = f"traces-{next(NUMBERS)}"
    with theatre(cluster.plane, cluster.nodes, namespace) as own:
        yield own


def plays(stage: Theatre, *chosen: Program) -> None:
    """Play programs; fail with each that came to another rest."""
    outcomes = list(stage.played(chosen))
    wrong = [f"{o.program}\n{o.differences}" for o in outcomes if o.differences]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", one_quick(FOUND))
def test_what_was_mended_stays_so(stage: Theatre, name: str) -> None:
    plays(stage, read(FOUND[name]))


@pytest.mark.long
def test_after_any_step_memory_and_truth_rest_alike(stage: Theatre) -> None:
    chance = Random(1)  # noqa: S311 - to be the same in every run.
    plays(stage, *(drawn(chance, races=False) for _ in range(DRAWN)))
