# SPDX-License-Identifier: Apache-2.0
"""The children that should be, those that should not, and the single fields between.

Each desired child has a policy. What is made once is not described again: pods and a
started Job cannot be changed, and Kueue writes to pods after us (B6.2).
"""

import enum
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from mpijob import children, names
from mpijob.blocks import pods_held
from mpijob.case import Case
from mpijob.job import CleanPodPolicy
from mpijob.lifetimes import Fate, fate_of
from mpijob.loose import Manifest
from mpijob.names import Child, Ref
from mpijob.observed import LauncherJob, Pod, Thing
from mpijob.replacement import numbers, replaceable
from mpijob.stage import Stage
from mpijob.world import KUBERNETES, NO_GANG


class Policy(enum.Enum):
    """How a desired child is kept."""

    CREATE = "create"  # Made once, and then left as it is.
    APPLY = "apply"  # Exactly these fields, by server-side apply, whenever they differ.


POLICIES: Final[Mapping[Child, Policy]] = {
    Child.WORKLOAD: Policy.CREATE,
    Child.POD_GROUP: Policy.APPLY,
    Child.SERVICE: Policy.APPLY,
    Child.CONFIG_MAP: Policy.APPLY,
    Child.SECRET: Policy.CREATE,
    Child.WORKER: Policy.CREATE,
    Child.LAUNCHER: Policy.CREATE,
}


@frozen
class Desired:
    """A child that should exist."""

    child: Child
    name: str
    manifest: Manifest | None  # None: it exists, and is not described again.

    @property
    def policy(self) -> Policy:
        """How it is kept."""
        return POLICIES[self.child]


@frozen
class Unwanted:
    """An object that should not exist, and how it is to go."""

    ref: Ref
    uid: str
    resource_version: str  # Empty: the uid alone guards the deletion (B8.2).
    propagation: str
    why: str


class Manager(enum.StrEnum):
    """The field managers of single-field applies; one a purpose.

    An apply under a manager removes what the manager applied before and does not
    mention now, so no two purposes share one.
    """

    LABELS = "mpi-operator-labels"
    FAILURE = "mpi-operator-failure"
    SUSPEND = "mpi-operator-suspend"


@frozen
class Touch:
    """One field of an object that is put as it should be, by an apply of it alone."""

    manager: Manager
    ref: Ref
    uid: str
    resource_version: str  # Empty: the uid alone guards it.
    fields: Manifest  # Without apiVersion, kind and name.


def desired(case: Case, stage: Stage) -> tuple[Desired, ...]:
    """Return the children that should exist, in the order in which they are made."""
    result: list[Desired] = []
    for child in Child:
        fate = fate_of(child, stage)
        if fate is Fate.WANT and not case.roster.blocked(child):
            result.extend(_wanted(case, child))
        elif fate in (Fate.KEEP, Fate.STOP, Fate.TIDY):
            result.extend(_existing(case, child))
    return tuple(result)


def _wanted(case: Case, child: Child) -> Iterator[Desired]:
    job, world, roster = case.job, case.world, case.roster
    domain = world.settings.cluster_domain
    match child:
        case Child.WORKLOAD:
            if case.scheduler == KUBERNETES:
                yield _once(case, child, children.workload(job, world))
        case Child.POD_GROUP:
            if case.scheduler != NO_GANG:
                yield _group(case)
        case Child.SERVICE:
            yield Desired(child, names.service(job), children.service(job))
        case Child.CONFIG_MAP:
            manifest = children.config_map(job, running_workers(case), domain)
            yield Desired(child, names.config_map(job), manifest)
        case Child.SECRET:
            there = Child.SECRET in roster.things
            yield Desired(
                child, names.secret(job), None if there else children.secret(job)
            )
        case Child.WORKER:
            yield from _workers(case)
        case Child.LAUNCHER:
            yield from _launcher(case)


def _once(case: Case, child: Child, manifest: Manifest) -> Desired:
    there = any(g.ref.kind == child.value for g in case.roster.groups)
    return Desired(child, names.service(case.job), None if there else manifest)


def _group(case: Case) -> Desired:
    manifest = children.pod_group(case.job, case.scheduler, case.world)
    # The gang of v1alpha2 cannot be changed once it is made.
    if manifest["apiVersion"] == "scheduling.k8s.io/v1alpha2":
        return _once(case, Child.POD_GROUP, manifest)
    return Desired(Child.POD_GROUP, names.service(case.job), manifest)


def running_workers(case: Case) -> list[int]:
    """Return the workers that run and stay, in numeric order (B3.2)."""
    replicas = case.job.workers
    return [
        index
        for index, pod in case.roster.workers.items()
        if pod.phase == "Running" and not pod.terminating and index < replicas
    ]


def _workers(case: Case) -> Iterator[Desired]:
    job, roster = case.job, case.roster
    there = roster.workers
    if pods_held(case):
        missing: list[int] = []
    else:
        skip = there.keys() | roster.taken
        missing = [index for index in range(job.workers) if index not in skip]
    domain = case.world.settings.cluster_domain
    made = children.workers(job, missing, case.scheduler, domain)
    worker = Child.WORKER
    for index, pod in there.items():
        if index < job.workers:
            yield Desired(worker, pod.name, None)
    for manifest in made:
        yield Desired(worker, manifest["metadata"]["name"], manifest)


def launcher_due(case: Case) -> bool:
    """Tell whether a launcher Job is to be made, once nothing of an old one is left."""
    held = pods_held(case) or case.roster.blocked(Child.LAUNCHER)
    return case.roster.launcher is None and not held


def _launcher(case: Case) -> Iterator[Desired]:
    job, replica = case.job, case.job.launcher
    if case.roster.launcher is not None:
        yield Desired(Child.LAUNCHER, names.launcher(job), None)
    elif replica is not None and launcher_due(case) and not case.roster.launchers:
        manifest = children.launcher(job, replica, case.scheduler)
        yield Desired(Child.LAUNCHER, names.launcher(job), manifest)


def _existing(case: Case, child: Child) -> Iterator[Desired]:
    roster = case.roster
    if child is Child.WORKER:
        for pod in (*roster.workers.values(), *roster.strays):
            yield Desired(child, pod.name, None)
    elif child is Child.LAUNCHER:
        if roster.launcher is not None:
            yield Desired(child, roster.launcher.name, None)
    elif child in (Child.POD_GROUP, Child.WORKLOAD):
        for group in roster.groups:
            if group.ref.kind == child.value:
                yield Desired(child, group.ref.name, None)
    elif thing := roster.things.get(child):
        yield Desired(child, thing.ref.name, None)


def unwanted(case: Case, stage: Stage) -> tuple[Unwanted, ...]:
    """Return what should go and is not going yet, in the order of the children."""
    result: list[Unwanted] = []
    for child in Child:
        fate = fate_of(child, stage)
        if fate is Fate.GONE:
            result.extend(_all(case, child, _WHY[stage]))
    if fate_of(Child.WORKER, stage) is Fate.WANT:
        result.extend(_surplus(case))
    elif fate_of(Child.WORKER, stage) is Fate.TIDY:
        result.extend(_tidied(case))
    return tuple(result)


_WHY: Final = {
    Stage.CLEARING: "the job is suspended",
    Stage.SUSPENDED: "the job is suspended",
    Stage.SUCCEEDED: "the job has ended",
    Stage.FAILED: "the job has ended",
    Stage.EXPIRED: "ttlSecondsAfterFinished is over",
}


def _all(case: Case, child: Child, why: str) -> Iterator[Unwanted]:
    roster = case.roster
    if child is Child.WORKER:
        for pod in (*roster.workers.values(), *roster.strays):
            if not pod.terminating:
                yield _pod(case, pod, why)
    elif child is Child.LAUNCHER:
        if roster.launcher is not None and not roster.launcher.terminating:
            yield _job(case, roster.launcher, why)
    elif child in (Child.POD_GROUP, Child.WORKLOAD):
        for group in roster.groups:
            if group.ref.kind == child.value and not group.terminating:
                yield _thing(group, why)
    elif (thing := roster.things.get(child)) and not thing.terminating:
        yield _thing(thing, why)


def _surplus(case: Case) -> Iterator[Unwanted]:
    """Yield the workers beyond the number asked for, and those to be replaced."""
    for index, pod in case.roster.workers.items():
        if index >= case.job.workers and not pod.terminating:
            yield _pod(case, pod, f"{case.job.workers} workers are asked for")
    for pod in replaceable(case)[0]:
        yield _pod(case, pod, "it failed and is replaced")


def _tidied(case: Case) -> Iterator[Unwanted]:
    """Yield what cleanPodPolicy takes, and a launcher Job that we ended (B5.3)."""
    policy, roster = case.job.run_policy.clean_pod_policy, case.roster
    for pod in (*roster.workers.values(), *roster.strays):
        takes = policy is CleanPodPolicy.ALL or (
            policy is CleanPodPolicy.RUNNING and pod.live
        )
        if takes and not pod.terminating:
            yield _pod(case, pod, f"cleanPodPolicy is {policy}")
    job = roster.launcher
    if job is None or job.terminating:
        return
    if policy is CleanPodPolicy.ALL:
        yield _job(case, job, f"cleanPodPolicy is {policy}")
    elif not job.ending:
        yield _job(case, job, "the job has ended before it did")


def _pod(case: Case, pod: Pod, why: str) -> Unwanted:
    ref = Ref("v1", "Pod", case.job.namespace, pod.name)
    return Unwanted(ref, pod.uid, "", "Background", why)


def _job(case: Case, job: LauncherJob, why: str) -> Unwanted:
    # The API's own default for a Job is to orphan its pods: the launcher would run on.
    ref = Ref("batch/v1", "Job", case.job.namespace, job.name)
    return Unwanted(ref, job.uid, job.resource_version, "Foreground", why)


def _thing(thing: Thing, why: str) -> Unwanted:
    return Unwanted(thing.ref, thing.uid, "", "Background", why)


def touches(case: Case, stage: Stage) -> tuple[Touch, ...]:
    """Return the single fields to put right, numbers of failed workers apart."""
    result: list[Touch] = []
    if stage in _LABELLED:
        result.extend(_labels(case))
    if suspend := _suspend(case, stage):
        result.append(suspend)
    return tuple(result)


_LABELLED: Final = frozenset(
    (Stage.WAITING, Stage.STARTING, Stage.RUNNING, Stage.STOPPING)
)


def _labels(case: Case) -> Iterator[Touch]:
    """Yield our labels for children of the job that lack them (B8.1)."""
    job, roster = case.job, case.roster
    labels = names.child_labels(job)
    secret, launcher = roster.things.get(Child.SECRET), roster.launcher
    if secret and not _labelled(_labels_of(secret), labels):
        yield _label(secret.ref, secret.uid, labels)
    if launcher and not launcher.terminating and not _labelled(launcher.labels, labels):
        ref = Ref("batch/v1", "Job", job.namespace, launcher.name)
        yield _label(ref, launcher.uid, labels)
    selector = names.selector(job)
    for pod in roster.workers.values():
        if not pod.terminating and not _labelled(pod.labels, selector):
            ref = Ref("v1", "Pod", job.namespace, pod.name)
            yield _label(ref, pod.uid, selector)


def _labels_of(thing: Thing) -> Mapping[str, str]:
    labels: Mapping[str, str] = thing.manifest.get("metadata", {}).get("labels") or {}
    return labels


def _labelled(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()


def _label(ref: Ref, uid: str, labels: Mapping[str, str]) -> Touch:
    return Touch(Manager.LABELS, ref, uid, "", {"metadata": {"labels": labels}})


# Kueue suspends a launcher Job that it takes for one of its own. We answer, but not in
# a race: once in this time.
RESUME_AFTER: Final = timedelta(seconds=10)


def resume_at(case: Case) -> datetime | None:
    """Return when a launcher Job that somebody suspended is told to go on (B6.1)."""
    job = case.roster.launcher
    if job is None or not job.suspend or job.terminating:
        return None
    told = job.conditions.get("Suspended")
    return told.since + RESUME_AFTER if told and told.since else case.world.now


def _suspend(case: Case, stage: Stage) -> Touch | None:
    job, fate = case.roster.launcher, fate_of(Child.LAUNCHER, stage)
    if job is None:
        return None
    if fate is Fate.STOP and not job.suspend:
        return _suspension(case, job, suspend=True)
    at = resume_at(case)
    if fate is Fate.WANT and at is not None and at <= case.world.now:
        return _suspension(case, job, suspend=False)
    return None


def _suspension(case: Case, job: LauncherJob, *, suspend: bool) -> Touch:
    ref = Ref("batch/v1", "Job", case.job.namespace, job.name)
    fields = {"spec": {"suspend": suspend}}
    return Touch(Manager.SUSPEND, ref, job.uid, job.resource_version, fields)


def numbering(case: Case, stage: Stage) -> tuple[Touch, ...]:
    """Return the numbers to write on failed workers, one after the other (B4.9).

    A number written out of turn would leave a gap, and the gap would be counted.
    """
    if fate_of(Child.WORKER, stage) is not Fate.WANT:
        return ()
    by_name = {pod.name: pod for pod in case.roster.workers.values()}
    result: list[Touch] = []
    for name, number in numbers(case).items():
        pod, ref = by_name[name], Ref("v1", "Pod", case.job.namespace, name)
        fields = {"metadata": {"annotations": {names.FAILURE_NUMBER: str(number)}}}
        touch = Touch(Manager.FAILURE, ref, pod.uid, pod.resource_version, fields)
        result.append(touch)
    return tuple(result)
