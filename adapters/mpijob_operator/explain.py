# SPDX-License-Identifier: Apache-2.0
"""Where a job stands, for people: the stage, why, what it waits for, each child.

Start at `page`. Like `render` it reads the function's answer and decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import mpijob
from mpijob import names
from mpijob.job import Role
from mpijob.messages import listed
from mpijob.names import Child
from mpijob.observed import LauncherJob, Pod, Thing
from mpijob.wire import text_of_time
from mpijob_operator import render
from mpijob_operator.manifests import key_text
from mpijob_operator.offline import Planned
from mpijob_operator.page import Block, Heading, Page, Sentences, Table
from mpijob_operator.words import Row, folded

Seen = Pod | LauncherJob | Thing

# In these stages pods are wanted, and what is not there yet is waited for.
_UNDER_WAY: Final = ("Waiting", "Starting", "Running")

# What is to happen to a child, by what the core calls it.
_FATES: Final = {
    "want": "should exist",
    "keep": "may stay",
    "stop": "should run nothing",
    "tidy": "as cleanPodPolicy says",
    "gone": "should go",
}


def page(planned: Planned, now: datetime) -> Page:
    """Return all that explains where a job stands."""
    job, answer = planned.job, planned.answer
    title = f"MPIJob {key_text((job.namespace, job.name))}: {answer.stage.value}"
    told = [f"because: {answer.because}"]
    told += [f"waits for: {each}" for each in _waits(planned)]
    told.append(f"looks again: {_looks_again(planned, now)}")
    blocks: list[Block] = [Heading(title), Sentences(tuple(told))]
    if conditions := tuple(_conditions(planned)):
        header = ("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")
        blocks.append(Table(header, conditions))
    rows = tuple((r.mark, r.kind, r.name, r.what) for r in folded(_children(planned)))
    blocks.append(Table(("CHILD", "FATE", "NAME", "THERE"), rows))
    if said := tuple(render.consequences(planned, list(render.rows_of(planned)))):
        blocks.append(Sentences(said))
    if planned.steps:
        count = sum(map(len, planned.steps))
        how = "mpijob plan --steps, asked the same way, shows them."
        blocks.append(Sentences((f"Requests left to send: {count}; {how}",)))
    return blocks


def _waits(planned: Planned) -> Iterator[str]:
    """Say what the stage waits for, as far as it is waiting."""
    job, seen = planned.job, planned.asked.observed
    if planned.answer.stage.value not in _UNDER_WAY:
        return
    pods = {pod.name: pod for pod in seen.pods}
    late = [
        Row("", "Pod", name, _going(pods.get(name), planned.asked.waits))
        for name in (names.worker(job, index) for index in range(job.workers))
        if not _is_up(pods.get(name), ready=job.waits_for_workers)
    ]
    if late:
        yield listed(f"{row.name} ({row.what})" for row in folded(late))
    elif planned.answer.stage.value == "Starting":
        yield "the launcher"


def _is_up(pod: Pod | None, *, ready: bool) -> bool:
    if pod is None or pod.terminating:
        return False
    return pod.ready if ready else pod.phase in ("Running", "Succeeded")


def _looks_again(planned: Planned, now: datetime) -> str:
    wait = planned.answer.requeue_after
    if wait is None:
        return "when something changes"
    return f"in {_span(wait)}, at {text_of_time(now + wait)}, or when something changes"


def _span(wait: timedelta) -> str:
    """Return a time in the units that a person would use.

    >>> _span(timedelta(seconds=90)), _span(timedelta(days=2))
    ('1m 30s', '2d')
    """
    left = max(round(wait.total_seconds()), 0)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts) or "0s"


def _conditions(planned: Planned) -> Iterator[tuple[str, ...]]:
    for each in planned.answer.status.conditions:
        since = each.last_transition_time
        when = text_of_time(since) if since else "-"
        yield each.type, each.status, each.reason, when, each.message


# --- Children -----------------------------------------------------------------


def _children(planned: Planned) -> Iterator[Row]:
    """Give each child, what is to become of it, and what is there of its name."""
    job, seen = planned.job, planned.asked.observed
    wanted = {(d.child, d.name) for d in planned.answer.desired}
    for child, fate in planned.answer.fates.items():
        fated = _FATES[fate.value]
        there = _there(job, seen, child)
        missing = [n for c, n in wanted if c is child and n not in there]
        for name in sorted({*there, *missing}, key=lambda n: (len(n), n)):
            found = there.get(name)
            is_pod = child is Child.LAUNCHER and isinstance(found, Pod)
            kind = "launcher Pod" if is_pod else child.value
            words = (_seen(job, found), planned.asked.waits.get(name, ""))
            yield Row(kind, fated, name, ", ".join(filter(None, words)))
        if not there and not missing and child not in (Child.WORKLOAD, Child.POD_GROUP):
            yield Row(child.value, fated, "-", "nothing is there")


def _there(job: mpijob.MPIJob, seen: mpijob.Observed, child: Child) -> dict[str, Seen]:
    found: Sequence[Seen | None]
    match child:
        case Child.WORKER:
            found = [p for p in seen.pods if not _is_launcher(job, p)]
        case Child.LAUNCHER:
            pods = [p for p in seen.pods if _is_launcher(job, p)]
            found = [seen.launcher, *pods]
        case _:
            found = [t for t in seen.things if t.ref.kind == child.value]
    return {each.name: each for each in found if each is not None}


def _is_launcher(job: mpijob.MPIJob, pod: Pod) -> bool:
    """Tell whether a pod is a launcher's: by its Job, or by its label without one."""
    if pod.owner.name:
        return pod.owner.name == names.launcher(job)
    return pod.labels.get(names.JOB_ROLE_LABEL) == Role.LAUNCHER.lower()


_TERMINATING: Final = ", terminating"


def _seen(job: mpijob.MPIJob, found: Seen | None) -> str:
    """Say what is there, and whose it is where it is not the job's."""
    if found is None:
        return "missing"
    words = "exists"
    if isinstance(found, Pod):
        words = _pod(found)
    elif isinstance(found, LauncherJob):
        words = _launcher(found)
    ours = found.owner.uid in {job.uid, _launcher_uid(job, found)} and found.owner.uid
    going = _TERMINATING if found.terminating else ""
    return f"{words}{going}" + ("" if ours else ", and is not this job's")


def _launcher_uid(job: mpijob.MPIJob, found: Seen) -> str:
    """Return whose pods the launcher's are: the Job's, by name."""
    is_launcher = isinstance(found, Pod) and found.owner.name == names.launcher(job)
    return found.owner.uid if is_launcher else ""


def _going(pod: Pod | None, waits: Mapping[str, str]) -> str:
    if pod is None:
        return "missing"
    words = [_pod(pod), waits.get(pod.name, "")]
    return ", ".join(filter(None, words)) + (_TERMINATING if pod.terminating else "")


def _pod(pod: Pod) -> str:
    words = [f"{pod.phase}, Ready" if pod.ready else pod.phase]
    if pod.node:
        words.append(f"on {pod.node}")
    if pod.failure is not None:
        words.append(f"failure {pod.failure}")
    if pod.reason:
        words.append(pod.reason)
    return ", ".join(words)


def _launcher(job: LauncherJob) -> str:
    said = [*job.conditions] or ["exists"]
    counts = ((job.succeeded, "succeeded"), (job.failed, "failed"))
    return ", ".join((*said, *(f"{n} {word}" for n, word in counts if n)))
