# SPDX-License-Identifier: Apache-2.0
"""What must be true, by what is true in the cluster and never by what anybody saw.

A check of a moment looks at one; a check of a request at what a write of the operator
met and did. Each returns what is wrong in a sentence, or nothing, and counts how often
it was at stake: a check that never was proves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import define, field, frozen

from mpijob.job import MPIJob
from mpijob.loose import mapping
from mpijob.status import ConditionType, JobStatus
from properties.world.canonical import Values
from properties.world.programs import Move
from properties.world.requests import Fact, of_request
from properties.world.rests import (
    REFUSED_ONCE,
    Judged,
    active,
    is_nobodys,
    is_of,
    live_pods,
    of_rest,
    owners_of,
)
from properties.world.scene import Scene
from properties.world.state import State, listed


@frozen
class Wrong:
    """A law that does not hold, and how."""

    law: str
    how: str


@define
class Checks:
    """Every check, and how often each was at stake."""

    values: Values
    scene: Scene
    sometimes: Counter[str] = field(factory=Counter[str])
    troubles: Counter[str] = field(factory=Counter[str])

    def move(self, before: State, move: Move) -> Iterator[Wrong]:
        """Judge what happened, and what is then."""
        if move.trouble:
            self.troubles[move.trouble] += 1
        after = move.after
        old, new = self.job(before), self.job(after)
        if old is not None and new is not None and old.uid == new.uid:
            for law, how in _of_statuses(old.status, new.status):
                yield from self.judged(law, how)
        if new is not None and not new.terminating and after.world is not before.world:
            for moment in MOMENTS:
                law, how = moment(after, new)
                yield from self.judged(law, how)
        if after.world is not before.world:
            yield from self.judged(*_as_listed(after))
        if move.call is not None and move.answer.code and move.answer.code < _REFUSED:
            fact = Fact(before, after, move.call, old)
            for law, how in of_request(fact):
                yield from self.judged(law, how)

    def rest(self, state: State, in_ten_years: bool) -> Iterator[Wrong]:
        """Judge where everything came to rest, and whether time alone would end it."""
        law = "P38 at rest a look comes to nothing, now and in ten years"
        yield from self.judged(law, "it does something" if in_ten_years else "")
        job = self.job(state)
        for law, how in of_rest(state, job, self.scene):
            yield from self.judged(law, how)

    def restless(self, moves: int, refused: Sequence[str]) -> Iterator[Wrong]:
        """Tell what is wrong where there is no rest: the same refusals, or no end."""
        how = f"no rest after {moves} moves without trouble"
        if again := [what for what, times in Counter(refused).items() if times > 1]:
            yield from self.judged(REFUSED_ONCE, f"{how}: again and again {again[0]}")
        yield from self.judged("P28 it arrives: and rests", how)

    def judged(self, law: str, how: str | None) -> Iterator[Wrong]:
        """Count that a law was at stake, and tell if it was broken."""
        if how is None:
            return
        self.sometimes[law] += 1
        if how:
            yield Wrong(law, how)

    def job(self, state: State) -> MPIJob | None:
        """Return the MPIJob as it is, but for its version."""
        return None if state.job is None else self.values.job(state.job)


_REFUSED: Final = 400

# --- A moment -------------------------------------------------------------------------


def _counted(state: State, job: MPIJob) -> Judged:
    law = "P26 no live pod is missing from active"
    workers, launchers = live_pods(state, job)
    if not workers and not launchers:
        return law, None
    told = active(job.status)
    for found, count in zip((launchers, workers), told, strict=True):
        if len(found) > count:
            pods = ", ".join(ref.name for ref in found)
            return law, f"{pods} may hold a node, and active says {count}"
    return law, ""


def _freed(state: State, job: MPIJob) -> Judged:
    law = "P18 a job without startTime has nothing left"
    status = job.status
    over = status.is_true(ConditionType.SUSPENDED) and status.start_time is None
    if not over or status.verdict is not None:
        return law, None
    uids = {job.uid}
    left = [
        ref.name
        for kind in ("Job", "Pod")
        for ref, value in state.children(kind)
        if owners_of(value) & uids or ("-launcher-" in ref.name and is_of(value, job))
        if not is_nobodys(ref, value)
    ]
    return law, f"{', '.join(left)} is left" if left else ""


def _one_verdict(_: State, job: MPIJob) -> Judged:
    law = "P14 one verdict, and it is the last word"
    verdicts = (ConditionType.SUCCEEDED, ConditionType.FAILED)
    said = [v for v in verdicts if job.status.is_true(v)]
    if not said:
        return law, None
    return law, "" if len(said) == 1 else "both Succeeded and Failed are True"


def _conditions(_: State, job: MPIJob) -> Judged:
    law = "P27 conditions: one of each type, Running False at the end"
    status = job.status
    types = [condition.type for condition in status.conditions]
    if not types:
        return law, None
    if len(set(types)) < len(types):
        return law, f"conditions {types}"
    if status.verdict is not None and status.is_true(ConditionType.RUNNING):
        return law, "Running is True after the end"
    if status.verdict is not None and status.completion_time is None:
        return law, "a verdict without a completionTime"
    return law, ""


def _failures(state: State, job: MPIJob) -> Judged:
    law = "B4.9 no failure of a worker is counted twice"
    worker = job.status.worker
    if worker is None or not worker.failed:
        return law, None
    real = state.truth.failures
    told = f"status counts {worker.failed} failures, and there were {real}"
    return law, told if worker.failed > real else ""


def _one_launcher(state: State, job: MPIJob) -> Judged:
    law = "B5.2 no two launchers run at once"
    launchers = live_pods(state, job)[1]
    if not launchers:
        return law, None
    pods = ", ".join(ref.name for ref in launchers)
    return law, f"{pods} are both there" if len(launchers) > 1 else ""


def _of_this_start(state: State, job: MPIJob) -> Judged:
    """Judge where pods may run: what a queue sets anew at each resumption (B6.2)."""
    law = "P30 no pod of an old template is there after a resumption"
    if state.job is None or job.run_policy.suspend or job.status.verdict is not None:
        return law, None
    roles = mapping(mapping(state.job["spec"]).get("mpiReplicaSpecs"))
    old, at_stake = list[str](), False
    for pods, role in zip(live_pods(state, job), ("Worker", "Launcher"), strict=True):
        template = mapping(mapping(roles.get(role)).get("template"))
        asked = mapping(mapping(template.get("spec")).get("nodeSelector"))
        for ref in pods:
            has = mapping(state.world.objects[ref]["spec"].get("nodeSelector"))
            at_stake = at_stake or bool(has or asked)
            if has != asked:
                old.append(f"{ref.name} has {dict(has)}, asked is {dict(asked)}")
    return law, ", ".join(old) if at_stake else None


def _as_listed(state: State) -> Judged:
    law = "P24 told all, a cache shows what a list would"
    for cache, anew in zip(state.caches, listed(state.world, state.kinds), strict=True):
        if cache.told(len(cache.line)).objects != anew.objects:
            return law, "what a cache was told is not what there is"
    return law, ""


MOMENTS: Final[tuple[Callable[[State, MPIJob], Judged], ...]] = (
    _counted,
    _freed,
    _one_verdict,
    _conditions,
    _failures,
    _one_launcher,
    _of_this_start,
)


def _of_statuses(old: JobStatus, new: JobStatus) -> Iterator[Judged]:
    """Judge one status after another."""
    law = "P14 one verdict, and it is the last word"
    if old is new:
        return
    if old.verdict is not None:
        same = (old.verdict, old.completion_time) == (new.verdict, new.completion_time)
        said = old.condition(old.verdict), new.condition(old.verdict)
        reasons = [c.reason if c else None for c in said]
        good = same and reasons[0] == reasons[1]
        yield law, "" if good else f"{old.verdict} became {new.verdict}, {reasons}"
    law = "P27 Created never leaves, observedGeneration never falls"
    created = old.is_true(ConditionType.CREATED)
    if created:
        before, after = old.observed_generation or 0, new.observed_generation or 0
        kept = new.is_true(ConditionType.CREATED) and before <= after
        yield law, "" if kept else "Created is gone, or observedGeneration fell"
