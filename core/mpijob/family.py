# SPDX-License-Identifier: Apache-2.0
"""The children that should be, those that should not, and the single fields between.

Rule: what is decided here is what, never when: `plan` puts it in order.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import repeat
from typing import Final

from mpijob import children, names
from mpijob.actions import Apply, Create, Delete, Desired, Keep, Manager, Touch
from mpijob.blocks import pods_held
from mpijob.case import Case
from mpijob.job import CleanPodPolicy
from mpijob.lifetimes import Fate, fate_of
from mpijob.names import GROUPS, Child, Ref
from mpijob.observed import LauncherJob, Pod, Thing
from mpijob.replacement import numbers, replaceable
from mpijob.stage import Stage
from mpijob.world import KUBERNETES, NO_GANG, is_over, later


def desired(case: Case, stage: Stage) -> tuple[Desired, ...]:
    """Return the children that should exist, in the order in which they are made."""
    result: list[Desired] = []
    for child in Child:
        fate = fate_of(child, stage)
        # Nothing is made or changed for a spec that is invalid (B1.7).
        if fate is Fate.WANT and not case.problems:
            result.extend(_wanted(case, child))
        elif fate is not Fate.GONE:
            result.extend(Keep(child, each.name) for each in case.roster.of(child))
    return tuple(result)


def _wanted(case: Case, child: Child) -> Iterable[Desired]:
    if case.blocked(child):
        return ()
    if child in GROUPS:
        return _group(case, child)
    if child is Child.WORKER:
        return _workers(case)
    if child is Child.LAUNCHER:
        return _launcher(case)
    return (_thing_wanted(case, child),)


def _thing_wanted(case: Case, child: Child) -> Desired:
    there = next(iter(case.roster.of(child)), None)
    if child is Child.SECRET:
        # Made once: a second key pair would lock the launcher out of running workers.
        manifest = children.secret(case.job)
        return Keep(child, there.name) if there else Create(child, manifest)
    if child is Child.SERVICE:
        manifest = children.service(case.job)
    else:
        domain = case.world.settings.cluster_domain
        manifest = children.config_map(case.job, running_workers(case), domain)
    return Apply(child, manifest, there.uid if there else "")


def _group(case: Case, child: Child) -> Iterator[Desired]:
    """Yield the group, and what Kubernetes' own scheduler wants beside it.

    A Workload cannot be changed, nor a PodGroup before v1beta1.
    """
    job, world, scheduler = case.job, case.world, case.scheduler
    mine = (g for g in case.roster.groups if g.ref[:2] == (case.group_api, child.value))
    there = next(mine, None)
    fixed = child is Child.WORKLOAD or world.settings.workload_api == "v1alpha2"
    if scheduler == NO_GANG or (child is Child.WORKLOAD and scheduler != KUBERNETES):
        return
    if scheduler == KUBERNETES and fixed and there:
        yield Keep(child, there.name)
    elif child is Child.WORKLOAD:
        yield Create(child, children.workload(job, world))
    else:
        manifest = children.pod_group(job, scheduler, world)
        yield Apply(child, manifest, there.uid if there else "")


def running_workers(case: Case) -> list[int]:
    """Return the workers that run and stay, in numeric order (B3.2)."""
    staying = case.roster.staying.items()
    return [index for index, pod in staying if pod.phase == "Running"]


# Ten thousand at once: `Create(...)` would be a call in Python for each.
_NEW: Final = vars(tuple)["__new__"]


def _workers(case: Case) -> list[Desired]:
    job, roster, worker = case.job, case.roster, Child.WORKER
    there, replicas = roster.workers, job.workers
    kept: list[Desired] = [
        Keep(worker, pod.name) for index, pod in there.items() if index < replicas
    ]
    if pods_held(case) or len(kept) == replicas:
        return kept
    taken = there.keys() | roster.taken
    missing = [index for index in range(replicas) if index not in taken]
    domain = case.world.settings.cluster_domain
    made = children.workers(job, missing, case.scheduler, domain)
    return [*kept, *map(_NEW, repeat(Create), zip(repeat(worker), made))]


def launcher_due(case: Case) -> bool:
    """Tell whether a launcher Job is to be made, and nothing of an old one is left."""
    held = pods_held(case) or case.blocked(Child.LAUNCHER)
    return not (held or case.roster.launcher or case.roster.launchers)


def _launcher(case: Case) -> Iterator[Desired]:
    job, replica = case.job, case.job.launcher
    if case.roster.launcher is not None:
        yield Keep(Child.LAUNCHER, names.launcher(job))
    elif replica is not None and launcher_due(case):
        manifest = children.launcher(job, replica, case.scheduler)
        yield Create(Child.LAUNCHER, manifest)


def unwanted(case: Case, stage: Stage) -> tuple[Delete, ...]:
    """Return what should go and is not going yet, in the order of the children."""
    found = (*_gone(case, stage), *_surplus(case, stage), *_untidy(case, stage))
    return tuple(
        _deletion(case, each, why) for each, why in found if not each.terminating
    )


Unwanted = Iterator[tuple[Pod | LauncherJob | Thing, str]]
"""What should go, and why."""

_WHY: Final = {
    Stage.CLEARING: "the job is suspended",
    Stage.EXPIRED: "ttlSecondsAfterFinished is over",
}


def _gone(case: Case, stage: Stage) -> Unwanted:
    for child in Child:
        if fate_of(child, stage) is Fate.GONE:
            for each in case.roster.of(child):
                yield each, _WHY.get(stage, "the job has ended")


def _surplus(case: Case, stage: Stage) -> Unwanted:
    """Yield what is not asked for any more, and the workers to be replaced."""
    if fate_of(Child.WORKER, stage) is not Fate.WANT:
        return
    for group in case.roster.groups:
        if group.ref.api_version != case.group_api:
            yield group, "it is of another gang scheduler"
    for index, pod in case.roster.workers.items():
        if index >= case.job.workers:
            yield pod, f"replicas is {case.job.workers}"
    for pod in replaceable(case)[0]:
        yield pod, "it failed and is replaced"


def _untidy(case: Case, stage: Stage) -> Unwanted:
    """Yield what cleanPodPolicy takes, and a launcher Job that we ended (B5.3).

    Unlike mpi-operator: All takes the launcher Job too, and what goes is told by its
    owner, not by counting names up to `replicas` (B5.5, B5.7).
    """
    if fate_of(Child.WORKER, stage) is not Fate.TIDY:
        return
    policy, roster = case.job.run_policy.clean_pod_policy, case.roster
    everything = policy is CleanPodPolicy.ALL
    for pod in (*roster.workers.values(), *roster.strays):
        if everything or (policy is CleanPodPolicy.RUNNING and pod.live):
            yield pod, f"cleanPodPolicy is {policy}"
    if roster.launcher and everything:
        yield roster.launcher, f"cleanPodPolicy is {policy}"
    elif roster.launcher and not roster.launcher.ending:
        yield roster.launcher, "the job has ended before it did"


def _deletion(case: Case, each: Pod | LauncherJob | Thing, why: str) -> Delete:
    ref = _ref(case, each)
    if isinstance(each, LauncherJob):
        # The API's own default for a Job is to orphan its pods: they would run on.
        return Delete(ref, each.uid, each.resource_version, "Foreground", why)
    return Delete(ref, each.uid, "", "Background", why)


def _ref(case: Case, each: Pod | LauncherJob | Thing) -> Ref:
    if isinstance(each, Thing):
        return each.ref
    api = ("v1", "Pod") if isinstance(each, Pod) else ("batch/v1", "Job")
    return Ref(*api, case.job.namespace, each.name)


def touches(case: Case, stage: Stage) -> tuple[Touch, ...]:
    """Return the single fields to put right, numbers of failed workers apart."""
    labels = tuple(_labels(case, stage))
    if any(touch.ref.kind == "Job" for touch in labels):
        return labels  # They move the resourceVersion that guards a suspension.
    return (*labels, *_suspend(case, stage))


def _labels(case: Case, stage: Stage) -> Iterator[Touch]:
    """Yield our labels for children of the job that lack them (B8.1)."""
    if case.problems:
        return
    labels, selector = names.child_labels(case.job), names.selector(case.job)
    wanted = {Child.SECRET: labels, Child.LAUNCHER: labels, Child.WORKER: selector}
    for child, ours in wanted.items():
        if fate_of(child, stage) not in (Fate.WANT, Fate.STOP):
            continue
        fields = {"metadata": {"labels": ours}}
        for each in case.roster.of(child):
            lacks = {**each.labels, **ours} != each.labels
            if lacks and not each.terminating:
                yield Touch(Manager.LABELS, _ref(case, each), each.uid, "", fields)


# Kueue suspends a launcher Job that it takes for one of its own. We answer, but not in
# a race: once in this time.
RESUME_AFTER_S: Final = 10


def resume_at(case: Case, stage: Stage) -> datetime | None:
    """Return when a launcher Job that is suspended is told to go on (B6.1).

    It waits for its workers as one that is made does (B5.1). One whose result is
    certain goes on in any case: the API server lets no Job end without startTime, and
    a suspension takes that (KEP-5440, Kubernetes 1.36).
    """
    job, fate = case.roster.launcher, fate_of(Child.LAUNCHER, stage)
    if job is None or not job.suspend or job.terminating or job.finished:
        return None
    may_run = fate is Fate.WANT and not case.awaits_workers
    may_end = fate in (Fate.WANT, Fate.TIDY) and job.ending
    if not (may_run or may_end):
        return None
    told = next((job.conditions[t] for t in _TOLD if t in job.conditions), None)
    if told is None:
        return None  # The Job controller will say something, and that wakes us.
    return later(told.since, RESUME_AFTER_S) or case.world.now


_TOLD: Final = ("Suspended", "SuccessCriteriaMet", "FailureTarget")


def _suspend(case: Case, stage: Stage) -> Iterator[Touch]:
    """Yield what stops the launcher Job, or lets it go on."""
    job, fate = case.roster.launcher, fate_of(Child.LAUNCHER, stage)
    if job is None:
        return
    stop = fate is Fate.STOP and not job.suspend
    if stop or is_over(resume_at(case, stage), case.world.now):
        fields, version = {"spec": {"suspend": stop}}, job.resource_version
        yield Touch(Manager.SUSPEND, _ref(case, job), job.uid, version, fields)


def numbering(case: Case, stage: Stage) -> Iterator[Touch]:
    """Yield the numbers to write on failed workers, one after the other (B4.9).

    A number written out of turn would leave a gap, and the gap would be counted.
    """
    if fate_of(Child.WORKER, stage) is not Fate.WANT:
        return
    for pod, number in numbers(case):
        fields = {"metadata": {"annotations": {names.FAILURE_NUMBER: str(number)}}}
        ref, version = _ref(case, pod), pod.resource_version
        yield Touch(Manager.FAILURE, ref, pod.uid, version, fields)
