# SPDX-License-Identifier: Apache-2.0
"""Who is who among the observed: ours, somebody else's, and what is missing.

Rule: ownership is decided here, by uid and nowhere else (B8.1). A name or a label
makes an object a neighbour, never a child.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from mpijob import names
from mpijob.job import MPIJob
from mpijob.names import GROUPS, Child
from mpijob.observed import LauncherJob, Observed, Owner, Pod, Thing

K = TypeVar("K")


class Roster(NamedTuple):
    """The observed objects, by what they are to the job."""

    workers: Mapping[int, Pod]  # Ours, by index, in the order of the index.
    failed: tuple[Pod, ...]  # The workers that Failed and are not going yet.
    numbered: int  # The largest number on one of them (B4.9).
    strays: tuple[Pod, ...]  # Ours, but with a name of no worker.
    taken: frozenset[int]  # Workers whose name somebody else's pod has.
    launchers: tuple[Pod, ...]  # Pods of our launcher Job, of any attempt.
    launcher: LauncherJob | None
    things: Mapping[Child, Thing]  # Ours, but for pod groups.
    groups: tuple[Thing, ...]  # Ours: PodGroups and Workloads.
    # Children whose name is somebody else's: which, the name, and the API of a group.
    foreign: tuple[tuple[Child, str, str], ...]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod of ours, launchers included."""
        return (*self.workers.values(), *self.strays, *self.launchers)

    def of(self, child: Child) -> tuple[Pod | LauncherJob | Thing, ...]:
        """Return our objects of a kind of child; of workers the strays too."""
        if child is Child.WORKER:
            return (*self.workers.values(), *self.strays)
        if child is Child.LAUNCHER:
            return (self.launcher,) if self.launcher else ()
        if child in GROUPS:
            return tuple(g for g in self.groups if g.ref.kind == child.value)
        return (self.things[child],) if child in self.things else ()

    @property
    def empty(self) -> bool:
        """Whether no pod and no launcher Job of the job is left (B6.1)."""
        return self.launcher is None and not self.pods


def is_ours(owner: Owner, job: MPIJob) -> bool:
    """Tell whether the job controls an object; a job in no cluster controls none."""
    return owner.uid == job.uid and job.uid != ""


def roster_of(job: MPIJob, observed: Observed) -> Roster:
    """Sort what was seen; of two pods with one name the one of the smaller uid."""
    workers: dict[int, Pod] = {}
    strays: dict[str, Pod] = {}
    launchers: dict[str, Pod] = {}
    taken: set[int] = set()
    for pod in observed.pods:
        index = names.worker_index(job, pod.name)
        if is_ours(pod.owner, job):
            if index is None:
                _enter(strays, pod.name, pod)
            else:
                _enter(workers, index, pod)
        elif _is_launcher(pod, job, observed.launcher):
            _enter(launchers, pod.name, pod)
        elif index is not None:
            taken.add(index)
    launcher = observed.launcher
    ours = launcher if launcher and is_ours(launcher.owner, job) else None
    workers = {i: workers[i] for i in sorted(workers)}
    ended = (pod for pod in workers.values() if pod.phase == "Failed")
    failed = tuple(pod for pod in ended if not pod.terminating)
    seen = _things(observed)
    return Roster(
        workers=workers,
        failed=failed,
        numbered=max((pod.failure or 0 for pod in failed), default=0),
        strays=tuple(strays[name] for name in sorted(strays)),
        taken=frozenset(taken - workers.keys()),
        launchers=tuple(launchers[name] for name in sorted(launchers)),
        launcher=ours,
        things={c: t for c, t in seen if t and is_ours(t.owner, job)},
        groups=tuple(g for g in observed.pod_groups if is_ours(g.owner, job)),
        foreign=_foreign(job, observed, ours),
    )


def _enter(pods: dict[K, Pod], key: K, pod: Pod) -> None:
    if key not in pods or pod.uid < pods[key].uid:
        pods[key] = pod


def _is_launcher(pod: Pod, job: MPIJob, launcher: LauncherJob | None) -> bool:
    """Tell whether a pod is of our launcher Job, be the Job itself still there or not.

    The Job's uid proves it. A Job that is gone leaves its name; a pod older than the
    MPIJob is then of an earlier job of the same name.
    """
    owner = pod.owner
    if owner.kind != "Job" or owner.name != names.launcher(job):
        return False
    if launcher is not None and owner.uid == launcher.uid:
        return is_ours(launcher.owner, job)
    return not (pod.created and job.created and pod.created < job.created)


def _things(observed: Observed) -> tuple[tuple[Child, Thing | None], ...]:
    return (
        (Child.SERVICE, observed.service),
        (Child.CONFIG_MAP, observed.config_map),
        (Child.SECRET, observed.secret),
    )


def _foreign(
    job: MPIJob, observed: Observed, ours: LauncherJob | None
) -> tuple[tuple[Child, str, str], ...]:
    groups = [(Child(group.ref.kind), group) for group in observed.pod_groups]
    result = [
        (child, thing.name, thing.ref.api_version)
        for child, thing in (*_things(observed), *groups)
        if thing and not is_ours(thing.owner, job)
    ]
    if observed.launcher and ours is None:
        result.append((Child.LAUNCHER, observed.launcher.name, ""))
    return tuple(result)
