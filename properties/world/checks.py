# SPDX-License-Identifier: Apache-2.0
"""What must be true, by what is true in the cluster and never by what anybody saw.

A check of a moment looks at one; a check of a request at what a write of the operator
met and did. Each returns what is wrong in a sentence, or nothing, and counts how often
it was at stake: a check that never was proves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field, frozen

import mpijob
from mpijob import names
from mpijob.job import MPIJob
from mpijob.loose import Manifest, mappings
from mpijob.names import Child, Ref
from mpijob.status import ConditionType, JobStatus
from mpijob_operator.executor import Call
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.cluster import is_terminating
from mpijob_operator.simulation.deeds import is_true, status_of
from properties.world.canonical import Values
from properties.world.programs import Move
from properties.world.rests import (
    Judged,
    active,
    is_of,
    live_pods,
    of_rest,
    owners_of,
)
from properties.world.state import JOB, Carrying, State

ENDINGS: Final = ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget")


@frozen
class Wrong:
    """A law that does not hold, and how."""

    law: str
    how: str


@define
class Checks:
    """Every check, and how often each was at stake."""

    values: Values
    sometimes: Counter[str] = field(factory=Counter[str])

    def move(self, before: State, move: Move) -> Iterator[Wrong]:
        """Judge what happened, and what is then."""
        after = move.after
        old, new = self.job(before), self.job(after)
        if old is not None and new is not None and old.uid == new.uid:
            for law, how in _of_statuses(old.status, new.status):
                yield from self._judged(law, how)
        if new is not None and not new.terminating and after.world is not before.world:
            for moment in MOMENTS:
                law, how = moment(after, new)
                yield from self._judged(law, how)
        if move.call is not None and move.answer.code and move.answer.code < _REFUSED:
            fact = Fact(before, after, move.call, old)
            for law, how in _of_request(fact):
                yield from self._judged(law, how)

    def rest(self, state: State) -> Iterator[Wrong]:
        """Judge where everything came to rest."""
        job = self.job(state)
        for law, how in of_rest(state, job):
            yield from self._judged(law, how)

    def _judged(self, law: str, how: str | None) -> Iterator[Wrong]:
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


MOMENTS: Final[tuple[Callable[[State, MPIJob], Judged], ...]] = (
    _counted,
    _freed,
    _one_verdict,
    _conditions,
    _failures,
    _one_launcher,
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


# --- A request ------------------------------------------------------------------------


@frozen
class Fact:
    """A write of the operator that took effect."""

    before: State
    after: State
    call: Call
    job: MPIJob | None  # As it was.

    @property
    def decided(self) -> MPIJob:
        """The job as it was decided on."""
        return self.call.job

    @property
    def vouched(self) -> bool:
        """Whether a guard held before it in its plan."""
        deed = self.before.deed
        return isinstance(deed, Carrying) and deed.vouched

    @property
    def unchanged(self) -> bool:
        """Whether the job is what was decided on, the status apart."""
        job, decided = self.job, self.decided
        return job is not None and (job.uid, job.generation, job.terminating) == (
            decided.uid,
            decided.generation,
            decided.terminating,
        )


def _of_request(fact: Fact) -> Iterator[Judged]:
    action = fact.call.action
    match action:
        case mpijob.WriteStatus(_, _, _, status):
            yield _of_verdict(fact, status)
        case mpijob.Create():
            yield from _of_create(fact, action.manifest)
            if action.child is Child.LAUNCHER:
                yield from _of_launch(fact)
        case mpijob.Apply(_, manifest, ""):
            yield from _of_create(fact, manifest)
        case mpijob.Apply(_, manifest, _):
            yield _mine(fact, ref_of(manifest))
        case mpijob.Touch():
            yield _mine(fact, action.ref)
        case mpijob.Delete():
            yield from _of_delete(fact, action)
        case _:
            return


def _of_verdict(fact: Fact, status: JobStatus) -> Judged:
    law = "P11 a success is a launcher's of this very job"
    if status.verdict is not ConditionType.SUCCEEDED:
        return law, None
    told = fact.job is not None and fact.job.status.verdict is not None
    good = told or fact.before.truth.won
    return law, "" if good else "no launcher of this job exited with 0"


def _of_create(fact: Fact, manifest: Manifest) -> Iterator[Judged]:
    references = mappings(manifest["metadata"].get("ownerReferences"))
    uids = [o.get("uid") for o in references if o.get("controller") is True]
    good = uids == [fact.decided.uid]
    yield "P12 every child names its owner", "" if good else f"controllers {uids}"
    law = "P10 nothing is made before a guard held"
    floats = fact.before.floating is not None
    vouched = fact.vouched or floats
    yield law, "" if vouched else "neither a status write nor a read vouched for it"
    law = "P15 nothing is made once the verdict is written"
    job = fact.job
    if job is not None and job.uid == fact.decided.uid:
        over = job.status.verdict
        kind = manifest["kind"]
        yield law, f"a {kind} is made after {over}" if over else ""


def _of_launch(fact: Fact) -> Iterator[Judged]:
    law = "P15 a job with a result is not run again"
    result = fact.before.truth.result
    yield law, "a launcher had succeeded, and another is made" if result else ""
    law = "P19 the launcher waits for every worker"
    job = fact.decided
    if not job.waits_for_workers:
        return
    pods = {ref.name: value for ref, value in fact.before.caches[1].objects.items()}
    waited = [names.worker(job, index) for index in range(job.workers)]
    missing = [
        name
        for name in waited
        if not is_true(pods.get(name, {}), "Ready") or is_terminating(pods[name])
    ]
    yield law, f"{', '.join(missing)} was not Ready" if missing else ""


def _mine(fact: Fact, ref: Ref) -> Judged:
    law = "P9 only what is ours is written or deleted"
    value = fact.before.world.objects.get(ref)
    if value is None:
        return law, None
    owners = _controllers(value)
    if ref == JOB:
        owners = {str(value["metadata"]["uid"])}
    mine = fact.decided.uid in owners
    return law, "" if mine else f"{ref.kind} {ref.name} is of {owners or 'nobody'}"


def _controllers(value: Manifest) -> set[str]:
    owners = mappings(value["metadata"].get("ownerReferences"))
    return {str(o.get("uid")) for o in owners if o.get("controller") is True}


def _of_delete(fact: Fact, action: mpijob.Delete) -> Iterator[Judged]:
    yield _mine(fact, action.ref)
    value, job = fact.before.world.objects.get(action.ref), fact.job
    if value is None or job is None or job.uid != fact.decided.uid:
        return
    verdict = job.status.verdict
    if action.ref == JOB:
        law = "P16 the MPIJob goes after its verdict"
        yield law, "" if verdict else "it had none"
    elif action.ref.kind == "Job":
        yield from _of_launcher_deletion(action, value, job)
    elif action.ref.kind == "Pod" and fact.unchanged:
        yield _of_worker_deletion(action, value, job)


def _of_launcher_deletion(
    action: mpijob.Delete, value: Manifest, job: MPIJob
) -> Iterator[Judged]:
    policies = ("Background", "Foreground")
    law = "P13b a Job takes its pods along"
    yield law, "" if action.propagation in policies else "its pods are left behind"
    law = "P16 no result is deleted unread"
    ended = [e for e in ENDINGS if is_true(value, e)]
    if ended and not is_terminating(value):
        lost = not job.status.verdict
        yield law, f"the Job was {ended[0]}, and no status says so" if lost else ""


def _of_worker_deletion(action: mpijob.Delete, value: Manifest, job: MPIJob) -> Judged:
    law = "P16 no worker that is wanted is deleted"
    index = names.worker_index(job, action.ref.name)
    status = job.status
    stopped = job.run_policy.suspend or status.is_true(ConditionType.SUSPENDED)
    wanted = (
        index is not None
        and index < job.workers
        and not stopped
        and status.verdict is None
        and status_of(value).get("phase") != "Failed"
    )
    return law, f"{action.ref.name} was wanted" if wanted else ""
