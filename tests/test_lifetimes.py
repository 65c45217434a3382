# SPDX-License-Identifier: Apache-2.0
"""Which child a job has in which stage, said a second time and by the other axis.

`LIFETIMES` is a row a child; here is a line a stage, in the order of the children:
Workload, PodGroup, Service, ConfigMap, Secret, workers, launcher.
"""

import pytest

from mpijob.lifetimes import COLUMNS, LIFETIMES, Fate, fate_of
from mpijob.names import Child
from mpijob.stage import Stage

WANT, KEEP, STOP, TIDY, GONE = Fate
ALL_KEPT = (KEEP,) * 7

STAGES: dict[Stage, tuple[Fate, ...]] = {
    Stage.WAITING: (WANT, WANT, WANT, WANT, WANT, WANT, KEEP),
    Stage.STARTING: (WANT,) * 7,
    Stage.RUNNING: (WANT,) * 7,
    Stage.HELD: ALL_KEPT,
    Stage.STOPPING: (KEEP, KEEP, WANT, WANT, WANT, KEEP, STOP),
    Stage.CLEARING: (GONE, GONE, WANT, WANT, WANT, GONE, GONE),
    Stage.SUSPENDED: (GONE, GONE, WANT, WANT, WANT, GONE, GONE),
    Stage.SUCCEEDED: (GONE, GONE, KEEP, KEEP, KEEP, TIDY, TIDY),
    Stage.FAILED: (GONE, GONE, KEEP, KEEP, KEEP, TIDY, TIDY),
    Stage.EXPIRED: (GONE,) * 7,
    Stage.NOT_OURS: ALL_KEPT,
    Stage.DELETED: ALL_KEPT,
    Stage.UNSEEN: ALL_KEPT,
}


@pytest.mark.rule("B5.1", "B5.5", "B5.6", "B5.8", "B6.1", "B7.5", "B1.7")
@pytest.mark.parametrize(
    ("stage", "fates"), STAGES.items(), ids=[s.value for s in STAGES]
)
def test_a_stage_has_these_children(stage: Stage, fates: tuple[Fate, ...]) -> None:
    assert tuple(fate_of(child, stage) for child in Child) == fates


def test_every_stage_and_child_has_a_fate() -> None:
    assert set(STAGES) == set(Stage)
    assert set(LIFETIMES) == set(Child)
    assert {len(row) for row in LIFETIMES.values()} == {len(COLUMNS)}
    alone = (Stage.NOT_OURS, Stage.DELETED, Stage.UNSEEN)
    assert tuple(stage for stage in STAGES if stage not in alone) == COLUMNS


def test_fates_are_words_that_a_reader_is_shown() -> None:
    assert [fate.value for fate in Fate] == ["want", "keep", "stop", "tidy", "gone"]
