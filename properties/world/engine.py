# SPDX-License-Identifier: Apache-2.0
"""What the operator is made of; each part can be taken away, to see its worth."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import field, frozen

import mpijob
from mpijob_operator.controller import memory as memories
from mpijob_operator.controller.memory import Memory, Progress
from mpijob_operator.executor import Execution, Kind

Plans = Callable[[mpijob.MPIJob, mpijob.Observed, mpijob.Plan], mpijob.Plan]
Sees = Callable[[mpijob.MPIJob, mpijob.Observed], mpijob.Observed]
Behind = Callable[[Memory, Mapping[Kind, Progress]], Iterator[Kind]]


def _as_seen(_: mpijob.MPIJob, seen: mpijob.Observed) -> mpijob.Observed:
    return seen


def _as_planned(
    _: mpijob.MPIJob, __: mpijob.Observed, plan: mpijob.Plan
) -> mpijob.Plan:
    return plan


@frozen
class Engine:
    """What the operator is made of; as shipped, but for what is put in its place."""

    sees: Sees = _as_seen
    plans: Plans = _as_planned
    behind: Behind = memories.behind
    after: Callable[[Memory, Execution, float, float], Memory] = memories.after
    lists_anew: bool = True  # A process that starts lists what is, not what was.
    waits_for_lease: bool = True  # No request of an old process lands later (B8.8).
    sets_timers: bool = True  # It looks again by itself when the core says so.
    overwrites: bool = False  # A write that names no version names what there is.
    settings: mpijob.Settings = field(factory=mpijob.Settings)


SHIPPED: Final = Engine()
