# SPDX-License-Identifier: Apache-2.0
"""Who is who among the observed: ours, somebody else's, and what is missing.

Rule: ownership is decided here, by uid and nowhere else (B8.1). A name or a label
makes an object a neighbour, never a child.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from mpijob import names
from mpijob.job import MPIJob, Role
from mpijob.names import GROUPS, Child
from mpijob.observed import NOBODY, LauncherJob, Observed, Owner, Pod, Thing

K = TypeVar("K")


class Roster(NamedTuple):
    """The observed objects, by what they are to the job."""

    workers: Mapping[int, Pod]  # Ours, by index, in the order of the index.
    staying: Mapping[int, Pod]  # Those asked for, less those on their way out.
    failed: tuple[Pod, ...]  # Those of the staying that Failed.
    numbered: int  # The largest number on a worker that Failed and is not going (B4.9).
    strays: tuple[Pod, ...]  # Ours, but with a name of no worker.
    taken: frozenset[int]  # Workers whose name somebody else's pod has.
    launchers: tuple[Pod, ...]  # Pods of our launcher Job, of any attempt, and orphans.
    launcher: LauncherJob | None
    things: tuple[Thing, ...]  # Ours.
    # Children whose name is somebody else's: which, the name, and the API of a group.
    foreign: tuple[tuple[Child, str, str], ...]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod of ours, launchers included."""
        return (*self.workers.values(), *self.strays, *self.launchers)

    @property
    def orphans(self) -> tuple[Pod, ...]:
        """Launchers that still run, and were left when their Job was deleted."""
        return tuple(pod for pod in self.launchers if pod.owner == NOBODY)

    def of(self, child: Child) -> tuple[Pod | LauncherJob | Thing, ...]:
        """Return our objects of a kind of child; of workers the strays too."""
        if child is Child.WORKER:
            return (*self.workers.values(), *self.strays)
        if child is Child.LAUNCHER:
            return (self.launcher,) if self.launcher else ()
        return tuple(t for t in self.things if t.ref.kind == child.value)

    @property
    def groups(self) -> tuple[Thing, ...]:
        """Our PodGroups and Workloads."""
        return tuple(t for t in self.things if Child(t.ref.kind) in GROUPS)

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
    launcher = observed.launcher
    for pod in observed.pods:
        index = names.worker_index(job, pod.name)
        if is_ours(pod.owner, job):
            if index is None:
                _enter(strays, pod.name, pod)
            else:
                _enter(workers, index, pod)
        elif _is_launcher(pod, job, launcher):
            _enter(launchers, pod.name, pod)
        elif index is not None:
            taken.add(index)
    workers = {i: workers[i] for i in sorted(workers)}
    there = {i: pod for i, pod in workers.items() if not pod.terminating}
    staying = {i: pod for i, pod in there.items() if i < job.workers}
    ended = (pod.failure or 0 for pod in there.values() if pod.phase == "Failed")
    foreign = [
        (Child(thing.ref.kind), thing.name, thing.ref.api_version)
        for thing in observed.things
        if not is_ours(thing.owner, job)
    ]
    if launcher and not is_ours(launcher.owner, job):
        foreign.append((Child.LAUNCHER, launcher.name, ""))
        launcher = None
    return Roster(
        workers=workers,
        staying=staying,
        failed=tuple(pod for pod in staying.values() if pod.phase == "Failed"),
        numbered=max(ended, default=0),
        strays=tuple(strays[name] for name in sorted(strays)),
        taken=frozenset(taken - workers.keys()),
        launchers=tuple(launchers[name] for name in sorted(launchers)),
        launcher=launcher,
        things=tuple(t for t in observed.things if is_ours(t.owner, job)),
        foreign=tuple(foreign),
    )


def _enter(pods: dict[K, Pod], key: K, pod: Pod) -> None:
    if key not in pods or pod.uid < pods[key].uid:
        pods[key] = pod


def _is_launcher(pod: Pod, job: MPIJob, launcher: LauncherJob | None) -> bool:
    """Tell whether a pod is of our launcher Job, be the Job itself still there or not.

    The Job's uid proves it. A Job that is gone leaves its name; one that was deleted
    without its pods (`--cascade=orphan`) leaves the labels, and what runs of it is not
    to have a second launcher beside it. A pod older than the MPIJob is then of an
    earlier job of the same name.
    """
    owner = pod.owner
    if owner == NOBODY:
        labels = names.pod_labels(job, Role.LAUNCHER).items()
        if not (pod.live and labels <= pod.labels.items()):
            return False
    elif owner.kind != "Job" or owner.name != names.launcher(job):
        return False
    if launcher is not None and owner.uid == launcher.uid:
        return is_ours(launcher.owner, job)
    return not (pod.created and job.created and pod.created < job.created)
