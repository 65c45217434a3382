# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a table is read across.
"""Which children an MPIJob has, in which stage.

Unlike mpi-operator: a suspended job has no launcher Job, so that a resumed one starts
from the spec as it is then (B6.1), and the PodGroup goes at every end (B5.5).

This table is the whole policy. Read a row to learn the life of one child; read
a column to learn what a stage looks like in the cluster.
"""

import enum
from collections.abc import Mapping
from typing import Final

from mpijob.names import Child
from mpijob.stage import Stage


class Fate(enum.Enum):
    """What should become of a child."""

    WANT = "want"  # It should exist, as we describe it.
    KEEP = "keep"  # It may exist, as it is.
    STOP = "stop"  # It should exist and run nothing.
    TIDY = "tidy"  # As cleanPodPolicy says.
    GONE = "gone"  # It should not exist.


WANT, KEEP, STOP, TIDY, GONE = Fate

# The stages that this table speaks of, in the order of its columns. In any other the
# job is left alone: KEEP.
COLUMNS: Final = (
    Stage.WAITING,
    Stage.STARTING,
    Stage.RUNNING,
    Stage.HELD,
    Stage.STOPPING,
    Stage.CLEARING,
    Stage.SUSPENDED,
    Stage.SUCCEEDED,
    Stage.FAILED,
    Stage.EXPIRED,
)

# fmt: off
LIFETIMES: Final[Mapping[Child, tuple[Fate, ...]]] = {
    #                 Waiting Starting Running Held Stopping Clearing Suspended Succeeded Failed Expired
    Child.WORKLOAD:   (WANT,  WANT,    WANT,   KEEP, KEEP,    GONE,    GONE,     GONE,     GONE,  GONE),
    Child.POD_GROUP:  (WANT,  WANT,    WANT,   KEEP, KEEP,    GONE,    GONE,     GONE,     GONE,  GONE),
    Child.SERVICE:    (WANT,  WANT,    WANT,   KEEP, WANT,    WANT,    WANT,     KEEP,     KEEP,  GONE),
    Child.CONFIG_MAP: (WANT,  WANT,    WANT,   KEEP, WANT,    WANT,    WANT,     KEEP,     KEEP,  GONE),
    Child.SECRET:     (WANT,  WANT,    WANT,   KEEP, WANT,    WANT,    WANT,     KEEP,     KEEP,  GONE),
    Child.WORKER:     (WANT,  WANT,    WANT,   KEEP, KEEP,    GONE,    GONE,     TIDY,     TIDY,  GONE),
    Child.LAUNCHER:   (KEEP,  WANT,    WANT,   KEEP, STOP,    GONE,    GONE,     TIDY,     TIDY,  GONE),
}
# fmt: on


def fate_of(child: Child, stage: Stage) -> Fate:
    """Look a child up in the table."""
    return LIFETIMES[child][COLUMNS.index(stage)] if stage in COLUMNS else KEEP
