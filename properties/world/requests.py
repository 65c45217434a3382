# SPDX-License-Identifier: Apache-2.0
"""What must be true of a write of the operator: what it met, and what it did."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

import mpijob
from mpijob import names
from mpijob.job import MPIJob
from mpijob.loose import NOTHING, Manifest, mapping, mappings
from mpijob.names import Child, Ref
from mpijob.status import ConditionType, JobStatus, Reason
from mpijob.wire import time_of
from mpijob_operator.executor import Call
from mpijob_operator.requests import ref_of
from mpijob_operator.simulation.cluster import is_terminating
from mpijob_operator.simulation.deeds import condition_of, is_true, status_of
from mpijob_operator.simulation.life import START
from properties.world.rests import Judged, owners_of
from properties.world.state import JOB, Carrying, State

ENDINGS: Final = ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget")
# How long a launcher Job that somebody suspended is left to whoever did (B6.1).
LEFT_ALONE: Final = timedelta(seconds=10)
# Who lives no longer would die again at once: as long is waited (B5.3).
DIED_AT_ONCE: Final = timedelta(seconds=5)


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


def of_request(fact: Fact) -> Iterator[Judged]:
    """Judge a write of the operator that took effect."""
    action = fact.call.action
    match action:
        case mpijob.WriteStatus(_, _, _, status):
            yield _of_verdict(fact, status)
            yield _of_deadline(fact, status)
        case mpijob.Create():
            yield _of_name(fact, action.manifest)
            yield from _of_create(fact, action.manifest)
            if action.child is Child.LAUNCHER:
                yield from _of_launch(fact)
        case mpijob.Apply(_, manifest, ""):
            yield _of_name(fact, manifest)
            yield from _of_create(fact, manifest)
        case mpijob.Apply(_, manifest, _):
            yield _mine(fact, ref_of(manifest))
            yield _kept(fact, ref_of(manifest))
            yield _of_what_is_fixed(ref_of(manifest), manifest)
        case mpijob.Touch():
            yield _mine(fact, action.ref)
            yield _kept(fact, action.ref)
            yield _of_what_is_fixed(action.ref, action.fields)
            yield from _of_resumption(fact, action)
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


def _of_name(fact: Fact, manifest: Manifest) -> Judged:
    law = "P13 what is made takes the place of nothing"
    ref = ref_of(manifest)
    taken = ref in fact.before.world.objects
    return law, f"{ref.kind} {ref.name} was there" if taken else ""


def _of_create(fact: Fact, manifest: Manifest) -> Iterator[Judged]:
    references = mappings(manifest["metadata"].get("ownerReferences"))
    uids = [o.get("uid") for o in references if o.get("controller") is True]
    good = uids == [fact.decided.uid]
    yield "P12 every child names its owner", "" if good else f"controllers {uids}"
    law = "P10 nothing is made before a guard held"
    floats = fact.before.floating is not None
    vouched = fact.vouched or floats
    yield law, "" if vouched else "neither a status write nor a read vouched for it"
    yield _of_group(fact, manifest)
    law = "P15 nothing is made once the verdict is written"
    job = fact.job
    if job is not None and job.uid == fact.decided.uid:
        over = job.status.verdict
        kind = manifest["kind"]
        yield law, f"a {kind} is made after {over}" if over else ""


def _of_group(fact: Fact, manifest: Manifest) -> Judged:
    law = "B7.5 the PodGroup is there before any pod"
    spec = mapping(manifest.get("spec"))
    template = mapping(mapping(spec.get("template")).get("spec"))
    gang = {"Pod": spec, "Job": template}.get(manifest["kind"], NOTHING)
    if not gang.get("schedulerName") or not fact.unchanged:
        return law, None
    groups = fact.before.children("PodGroup")
    good = any(fact.decided.uid in owners_of(group) for _, group in groups)
    return law, "" if good else "there is none"


def _of_launch(fact: Fact) -> Iterator[Judged]:
    law = "P15 a job with a result is not run again"
    result = fact.before.truth.result
    yield law, "a launcher had succeeded, and another is made" if result else ""
    yield from _of_gate(fact)


def _of_gate(fact: Fact) -> Iterator[Judged]:
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


def _kept(fact: Fact, ref: Ref) -> Judged:
    law = "P11 nothing is adopted"
    before, after = (s.world.objects.get(ref) for s in (fact.before, fact.after))
    if before is None or after is None:
        return law, None
    same = owners_of(before) == owners_of(after)
    return law, "" if same else f"{ref.kind} {ref.name} has other owners"


def _of_what_is_fixed(ref: Ref, fields: Manifest) -> Judged:
    """Judge a change of what is there: a pod is fixed, and a Job but for `suspend`."""
    law = "P33 nothing that is fixed is changed"
    spec = mapping(fields.get("spec")).keys()
    good = ref.kind not in ("Pod", "Job") or spec <= {"suspend"}
    return law, "" if good else f"{sorted(spec)} of {ref.kind} {ref.name}"


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
        law, ttl = (
            "B5.6 a job is kept for its TTL",
            job.run_policy.ttl_seconds_after_finished,
        )
        over = _is_over(fact, job.status.completion_time, ttl or 0)
        yield law, "" if over and ttl is not None else f"its TTL is {ttl} s"
    elif action.ref.kind == "Job":
        yield from _of_launcher_deletion(action, value, job)
    elif action.ref.kind == "Pod" and fact.unchanged:
        yield _of_worker_deletion(action, value, job)
        yield _of_replacement(fact, value)


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


# --- Not too early --------------------------------------------------------------------


def _is_over(fact: Fact, since: datetime | None, seconds: int) -> bool:
    """Tell whether a time has passed, by the clock on the wall."""
    now = START + timedelta(seconds=fact.before.world.now)
    return since is not None and since + timedelta(seconds=seconds) <= now


def _of_deadline(fact: Fact, status: JobStatus) -> Judged:
    law = "B5.4 no deadline is over before it is"
    failed = status.condition(ConditionType.FAILED)
    if failed is None or failed.reason != Reason.DEADLINE_EXCEEDED:
        return law, None
    if fact.job is not None and fact.job.status.verdict is not None:
        return law, None
    seconds = fact.decided.run_policy.active_deadline_seconds
    over = _is_over(fact, status.start_time, seconds or 0)
    return law, "" if over and seconds is not None else f"it has {seconds} s"


def _of_replacement(fact: Fact, value: Manifest) -> Judged:
    law = "B5.3 a worker that died at once is not replaced at once"
    status, state = status_of(value), NOTHING
    for container in mappings(status.get("containerStatuses")):
        state = mapping(mapping(container.get("state")).get("terminated"))
    started, ended = (time_of(state.get(f"{at}At")) for at in ("started", "finished"))
    stays = fact.decided.status.verdict is None and not fact.decided.run_policy.suspend
    if status.get("phase") != "Failed" or not (started and ended and stays):
        return law, None
    if ended - started >= DIED_AT_ONCE:
        return law, None
    over = _is_over(fact, ended, int(DIED_AT_ONCE.total_seconds()))
    return law, "" if over else f"it ended at {ended}"


# What tells that a suspended Job is not on its way to anything.
_CERTAIN: Final = ("SuccessCriteriaMet", "FailureTarget")
_TOLD: Final = ("Suspended", *_CERTAIN)


def _of_resumption(fact: Fact, action: mpijob.Touch) -> Iterator[Judged]:
    law = "B6.1 a launcher Job that somebody suspended is left alone at first"
    value = fact.before.world.objects.get(action.ref)
    resumes = mapping(action.fields.get("spec")).get("suspend") is False
    if value is None or not resumes or not mapping(value["spec"]).get("suspend"):
        return
    if not any(is_true(value, type_) for type_ in _CERTAIN):
        yield from _of_gate(fact)
    told = (condition_of(value, type_) for type_ in _TOLD)
    said = next((one for one in told if one.get("status") == "True"), NOTHING)
    stopped = time_of(said.get("lastTransitionTime"))
    over = _is_over(fact, stopped, int(LEFT_ALONE.total_seconds()))
    yield law, "" if over else f"it was stopped at {stopped}"
