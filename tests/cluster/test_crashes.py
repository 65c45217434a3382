# SPDX-License-Identifier: Apache-2.0
"""Killed after each single write of a story, and started again: the same end (B8.3).

The crash points are not drawn: a story is told undisturbed once, then once for each of
its writes, until one comes that has no such write. Writes go one at a time, so that the
n-th crash is always after exactly n writes.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest
from attrs import define, frozen

from tests.cluster.tiers import one_quick
from tests.controlplane.operator import Operator
from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Json, Stage, essence, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

# All that a plan writes; the Lease and questions of permission are no part of it.
WRITES: Final = r"^(?!.*(leases|subjectaccessreviews))"
# More than any story has: it ends by itself, or something is wrong.
POINTS_MAX: Final = 60
# Without a write for so long a story has none left; the longest pause is a TTL of 1 s.
QUIET_S: Final = 4.0


@frozen
class Story:
    """Something that happens to a job, from a quiet moment to the next."""

    job: Json
    begins_when: str  # The condition that holds before.
    happens: Callable[[Stage, str], object]
    is_over: Callable[[Stage, str], bool]


def runs(stage: Stage, name: str) -> bool:
    return stage.has(name, "Running")


def is_suspended(stage: Stage, name: str) -> bool:
    nothing = not stage.pods(name) and not stage.get("jobs", f"{name}-launcher")
    return nothing and "startTime" not in stage.status(name)


def is_scaled(stage: Stage, name: str) -> bool:
    one = set(stage.pods(name)) == {"launcher", f"{name}-worker-0"}
    return one and stage.active(name).get("Worker") == 1 and runs(stage, name)


def is_done(stage: Stage, name: str) -> bool:
    succeeded = stage.has(name, "Succeeded")
    return succeeded and not stage.pods(name)


def is_gone(stage: Stage, name: str) -> bool:
    kinds = ("pods", "jobs", "services", "configmaps", "secrets")
    mine = (key for kind in kinds for key in stage.all(kind) if key.startswith(name))
    return stage.get("mpijobs", name) is None and not any(mine)


def submits(job: Json) -> Callable[[Stage, str], object]:
    return lambda stage, name: stage.submit({**job, "metadata": {"name": name}})


def launcher_ends(stage: Stage, name: str) -> None:
    stage.script(f"{name}-launcher-*", run_s=0.0)


def policy(**fields: object) -> Json:
    return mpijob("pi", runPolicy=fields)


STORIES: Final = {
    "start": Story({}, "", submits(mpijob("pi")), runs),
    "suspend": Story(
        mpijob("pi"), "Running", lambda stage, name: stage.suspend(name), is_suspended
    ),
    "resume": Story(
        policy(suspend=True),
        "Suspended",
        lambda stage, name: stage.suspend(name, suspend=False),
        runs,
    ),
    "scale down": Story(
        mpijob("pi", 3),
        "Running",
        lambda stage, name: stage.patch(
            name, mpiReplicaSpecs={"Worker": {"replicas": 1}}
        ),
        is_scaled,
    ),
    "finish": Story(policy(cleanPodPolicy="All"), "Running", launcher_ends, is_done),
    "expire": Story(
        policy(ttlSecondsAfterFinished=1), "Running", launcher_ends, is_gone
    ),
}


@frozen
class Outcome:
    """What a story came to."""

    essence: Json
    events: Counter[str]
    made: Counter[str]


@define
class Teller:
    """Tells one story again and again, each time of a job of its own."""

    stage: Stage
    operator: Operator
    story: Story

    def told(self, name: str, crash_after: int = 0) -> Outcome | None:
        """Return what it came to, None where no write was the one to crash after."""
        stage, story, proxy = self.stage, self.story, self.stage.proxy
        if not self.operator.runs:
            self.operator.start()
        if story.job:
            submits(story.job)(stage, name)
            stage.wait_for(name, story.begins_when)
            stage.wait_quiet()
        before, said = len(proxy.writes()), Counter(stage.events(name))
        fault = Fault(WRITES, skip=crash_after - 1, lose=True, after=self._crash)
        proxy.faults = [fault] if crash_after else []
        story.happens(stage, name)
        if crash_after and not self._crashed():
            return None
        stage.wait(lambda: story.is_over(stage, name), f"the story of {name} is over")
        stage.wait_quiet()
        writes = proxy.writes()[before:]
        outcome = Outcome(
            essence(stage, name),
            Counter(stage.events(name)) - said,
            Counter(e.kind for e in writes if e.code == 201),
        )
        stage.client.delete(stage.path("mpijobs", name))
        stage.wait(lambda: is_gone(stage, name), f"{name} is gone")
        return outcome

    def _crash(self) -> None:
        self.operator.kill()
        self.stage.proxy.halted = True

    def _crashed(self) -> bool:
        """Wait for the crash, and start again; tell whether it came."""
        began = time.monotonic()
        while self.operator.runs:
            if time.monotonic() - max(began, self._last_write()) > QUIET_S:
                return False
            time.sleep(0.05)
        self.stage.proxy.halted = False
        self.operator.start()
        return True

    def _last_write(self) -> float:
        writes = self.stage.proxy.writes()
        return writes[-1].at if writes else 0.0


@pytest.mark.rule("B8.3", "B4.7", "B4.5")
@pytest.mark.parametrize("name", one_quick(STORIES))
def test_a_crash_after_any_write_changes_nothing(
    stage: Stage, name: str, record_property: Callable[[str, object], None]
) -> None:
    stage.proxy.in_turn = True
    teller = Teller(stage, stage.operator(), STORIES[name])
    undisturbed = teller.told("j0")
    assert undisturbed is not None
    points = 0
    for number in range(1, POINTS_MAX):
        crashed = teller.told(f"j{number}", crash_after=number)
        if crashed is None:
            break
        where = f"after write {number}\n{stage.told()}"
        assert crashed.essence == undisturbed.essence, where
        assert crashed.events <= undisturbed.events, where
        assert made(crashed) == made(undisturbed), where
        points = number
    record_property("crash points", points)
    assert 0 < points < POINTS_MAX - 1, f"{points} writes were crashed after"


def made(outcome: Outcome) -> Counter[str]:
    """Return what was made, by kind; Events aside, which a crash may lose."""
    made = outcome.made
    return Counter({kind: made[kind] for kind in made if "events" not in kind})
