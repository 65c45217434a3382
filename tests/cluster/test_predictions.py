# SPDX-License-Identifier: Apache-2.0
"""What the simulated cluster foretells comes true, whatever goes wrong (P37, B8.2).

A script is played in memory, where nothing goes wrong, and on a real control plane with
the shipped operator behind a proxy that does wrong. After each step both rest with the
same objects and the same status, and each object was made and removed equally often.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from attrs import define, field, frozen

from tests.cluster.predictions import (
    PATHS,
    SCRIPTS,
    STEPS,
    Foretold,
    Things,
    described,
    key_of,
)
from tests.cluster.tiers import one_quick
from tests.controlplane.operator import Operator
from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Stage
from tests.traces.recorder import Recorder, state_after

Json = dict[str, Any]

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

# All that a plan writes; the Lease and questions of permission are no part of it.
WRITES: Final = r"^(?!.*(leases|subjectaccessreviews))"
# A job whose answer was lost waits until the write can no longer land (T), and more.
REST_S: Final = 90.0
# Nothing was written for so long: the Job controller gathers for a second.
QUIET_S: Final = 1.6
LATE_S: Final = 2.5


@frozen
class Plan:
    """What goes wrong, at each step anew."""

    fault: Callable[[], Fault] | None = None
    late: str = ""  # The watches that show nothing for a while.
    cut: bool = False  # Every watch, as the step begins.
    killed_after: int = 0  # So many writes.


PLANS: Final = {
    "nothing": Plan(),
    "an answer lost, the write done": Plan(lambda: Fault(WRITES, skip=1, lose=True)),
    "an answer lost, the write not done": Plan(
        lambda: Fault(WRITES, skip=1, lose=True, forward=False)
    ),
    "errors": Plan(lambda: Fault(WRITES, times=3, code=503)),
    "conflicts": Plan(
        lambda: Fault(WRITES, times=2, code=409, body={"reason": "Conflict"})
    ),
    "throttled": Plan(lambda: Fault(WRITES, times=2, code=429, retry_after="1")),
    "slow writes": Plan(lambda: Fault(WRITES, times=5, delay_s=0.5)),
    "jobs seen late": Plan(late="/mpijobs$"),
    "pods seen late": Plan(late="/pods$"),
    "launchers seen late": Plan(late="/jobs$"),
    "watches cut": Plan(cut=True),
    "killed after a write": Plan(killed_after=1),
    "killed after three writes": Plan(killed_after=3),
}

# What may be made, or removed, more often than foretold: nothing.
ALLOWED: Final[Things] = Things()

PAIRS: Final = (
    "suspended and resumed / killed after a write",
    "suspended and resumed / pods seen late",
    "suspended and resumed / an answer lost, the write done",
    "made suspended / errors",
    "made suspended / killed after three writes",
    "scaled / an answer lost, the write not done",
    "scaled / pods seen late",
    "scaled / killed after a write",
    "a worker evicted / conflicts",
    "a worker evicted / watches cut",
    "a worker fails / an answer lost, the write done",
    "a worker fails / killed after a write",
    "a worker fails / pods seen late",
    "succeeds, all cleaned / throttled",
    "succeeds, all cleaned / killed after three writes",
    "succeeds, workers cleaned / launchers seen late",
    "the launcher fails / jobs seen late",
    "the launcher is tried again / watches cut",
    "the launcher is tried again / killed after a write",
    "the launcher restarts in place / pods seen late",
    "an exit code is final / slow writes",
    "children lost / nothing",
    "children lost / an answer lost, the write done",
    "children lost / jobs seen late",
    "deleted / errors",
    "deleted / pods seen late",
    "suspended and deleted / killed after a write",
)


@pytest.fixture
def recorder(stage: Stage) -> Iterator[Recorder]:
    found = Recorder(stage.plane, stage.namespace, PATHS)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@define
class Trial:
    """One script, played in truth with a plan of what goes wrong."""

    stage: Stage
    recorder: Recorder
    plan: Plan
    operator: Operator = field(init=False)
    met: int = field(default=0, init=False)  # How many requests something befell.

    def __attrs_post_init__(self) -> None:
        self.stage.proxy.in_turn = True
        self.operator = self.stage.operator(log_level="debug")
        self.operator.start()

    def take(self, what: Callable[[Stage], object], foretold: Foretold) -> None:
        """Let something befall the job while all goes wrong; wait for what is told."""
        proxy, plan = self.stage.proxy, self.plan
        proxy.faults = [plan.fault()] if plan.fault else []
        if plan.killed_after:
            skip = plan.killed_after - 1
            proxy.faults = [Fault(WRITES, skip=skip, lose=True, after=self._killed)]
        if plan.late:
            proxy.freeze(plan.late)
        if plan.cut:
            proxy.cut()
        what(self.stage)
        if plan.late:
            time.sleep(LATE_S)
            proxy.thaw()
        self._wait(foretold)
        self.met += sum(fault.met for fault in proxy.faults)
        proxy.faults = []

    def _killed(self) -> None:
        self.operator.kill()
        self.stage.proxy.halted = True

    def _wait(self, foretold: Foretold) -> None:
        deadline = time.monotonic() + REST_S
        while not (self._rests() and self._has_come(foretold)):
            if not self.operator.runs:
                self.stage.proxy.halted = False
                self.operator.start()
            if time.monotonic() > deadline:
                raise AssertionError(self._told(foretold))
            time.sleep(0.1)

    def _told(self, foretold: Foretold) -> str:
        """Say what is not as foretold, or why it never rests."""
        mine, told = self.described(), foretold.described()
        differ = sorted(
            k for k in mine.keys() | told.keys() if mine.get(k) != told.get(k)
        )
        lines = [f"{k}: {mine.get(k)}, foretold is {told.get(k)}" for k in differ]
        return "\n".join((*lines, self.stage.told()))

    def _has_come(self, foretold: Foretold) -> bool:
        """Tell whether all is as foretold; what is replaced looks as before."""
        replaced = foretold.gone <= self.counted()[1]
        return replaced and self.described() == foretold.described()

    def _rests(self) -> bool:
        log = self.recorder.whole()
        return bool(log) and time.monotonic() - max(e.at for e in log) > QUIET_S

    def described(self) -> Json:
        """Return what is compared of all that is there."""
        now = state_after(self.recorder.whole())
        return described(value for values in now.values() for value in values)

    def counted(self) -> tuple[Things, Things]:
        """Return how often each object was made, and how often removed."""
        made, gone, there = Things(), Things(), set[str]()
        for each in self.recorder.whole():
            uid, key = each.value["metadata"]["uid"], key_of(each.value)
            if each.gone:
                gone[key] += 1
            elif uid not in there:
                made[key] += 1
                there.add(uid)
        return made, gone


@pytest.mark.rule("B8.2", "B8.3", "B4.5", "B6.1", "B5.3")
@pytest.mark.parametrize("pair", one_quick(PAIRS))
def test_what_is_foretold_comes_true(
    stage: Stage, recorder: Recorder, pair: str
) -> None:
    script, _, plan = pair.partition(" / ")
    job, steps = SCRIPTS[script]
    foretold = Foretold(job, stage.namespace)
    trial = Trial(stage, recorder, PLANS[plan])
    trial.take(lambda stage: stage.submit(job), foretold)
    for step in steps:
        foretold.take(step)
        trial.take(STEPS[step].done, foretold)
    wrong = PLANS[plan]
    assert trial.met or not (wrong.fault or wrong.killed_after)
    made, gone = trial.counted()
    assert made - foretold.made <= ALLOWED, made - foretold.made
    assert foretold.made <= made
    assert gone == foretold.gone


def test_each_script_and_each_plan_is_tried() -> None:
    tried = [pair.split(" / ") for pair in PAIRS]
    assert {script for script, _ in tried} == set(SCRIPTS)
    assert {plan for _, plan in tried} == set(PLANS)
