# SPDX-License-Identifier: Apache-2.0
"""What the operator would be without each of its safeguards, one at a time.

Each is the shipped operator but for one function put in the place of another: a guard
that is not sent, an order that is another, a sight that is taken for what it is not.
The search must find out each of them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import evolve, frozen

import mpijob
from mpijob import Action, MPIJob, Observed, Plan
from mpijob.names import worker_index
from mpijob.observed import JobCondition, Live, Owner, Pod
from mpijob.status import ConditionType, ReplicaStatus
from mpijob_operator.controller import memory as memories
from mpijob_operator.controller.memory import Memory, Progress
from mpijob_operator.executor import Execution, Kind
from properties.world import bug_scenes as scenes
from properties.world.engine import Engine
from properties.world.scene import Scene


@frozen
class Bug:
    """A safeguard that is missing, and where that is looked for."""

    name: str
    engine: Engine
    scene: Scene
    slow: bool = False  # It takes thousands of moments to find it.


def _each(change: Callable[[Action], Action | None]) -> Callable[..., Plan]:
    """Return what changes or drops each action of a plan."""

    def plans(_: MPIJob, __: Observed, plan: Plan) -> Plan:
        changed = ([change(action) for action in step] for step in plan)
        steps = (tuple(a for a in step if a is not None) for step in changed)
        return tuple(step for step in steps if step)

    return plans


def _last(is_late: Callable[[Action], bool]) -> Callable[..., Plan]:
    """Return what puts some actions of a plan after all others."""

    def plans(_: MPIJob, __: Observed, plan: Plan) -> Plan:
        early = [tuple(a for a in step if not is_late(a)) for step in plan]
        late = [tuple(a for a in step if is_late(a)) for step in plan]
        return tuple(step for step in (*early, *late) if step)

    return plans


# --- The memory -----------------------------------------------------------------------


def _never_behind(_: Memory, __: Mapping[Kind, Progress]) -> Iterator[Kind]:
    return iter(())


def _never_doubtful(memory: Memory, caches: Mapping[Kind, Progress]) -> Iterator[Kind]:
    return memories.behind(evolve(memory, doubt=None), caches)


def _without_doubt(
    memory: Memory, execution: Execution, now: float, timeout_s: float
) -> Memory:
    return evolve(memories.after(memory, execution, now, timeout_s), doubt=None)


# --- Guards ---------------------------------------------------------------------------


def _unguarded_status(action: Action) -> Action:
    if isinstance(action, mpijob.WriteStatus):
        return action._replace(resource_version="")
    return action


def _unguarded_deletion(action: Action) -> Action:
    if isinstance(action, mpijob.Delete) and action.ref.kind == "Job":
        return action._replace(resource_version="")
    return action


def _deletion_by_name(action: Action) -> Action:
    if isinstance(action, mpijob.Delete) and action.ref.kind == "Pod":
        return action._replace(uid="")
    return action


def _orphaning(action: Action) -> Action:
    if isinstance(action, mpijob.Delete) and action.ref.kind == "Job":
        return action._replace(propagation="Orphan")
    return action


def _unconfirmed(action: Action) -> Action | None:
    return None if isinstance(action, mpijob.Confirm) else action


# --- Orders ---------------------------------------------------------------------------


def _is_status(action: Action) -> bool:
    return isinstance(action, mpijob.WriteStatus | mpijob.Event)


def _is_not_deletion(action: Action) -> bool:
    return not isinstance(action, mpijob.Delete)


# --- Sights ---------------------------------------------------------------------------


def _numbered(job: MPIJob, seen: Observed) -> Observed:
    """Count failed workers without a number on them."""
    count = job.status.worker.failed if job.status.worker else 0
    if job.status.verdict is not None:
        return seen
    pods: list[Pod] = []
    for pod in seen.pods:
        own = pod.phase == "Failed" and not pod.disrupted and not pod.terminating
        if own and worker_index(job, pod.name) is not None:
            count += 1
            pods.append(pod._replace(failure=count))
        else:
            pods.append(pod)
    return evolve(seen, pods=tuple(pods))


def _stopped(job: MPIJob, seen: Observed) -> Observed:
    """Take a launcher Job for stopped as soon as the job is to be suspended."""
    launcher = seen.launcher
    if launcher is None or not job.run_policy.suspend:
        return seen
    said = {**launcher.conditions, "Suspended": JobCondition()}
    return evolve(seen, launcher=launcher._replace(suspend=True, conditions=said))


def _all_live(_: MPIJob, seen: Observed) -> Observed:
    """Believe the caches where a live read is due."""
    return evolve(seen, live=frozenset(Live))


def _by_name(job: MPIJob, seen: Observed) -> Observed:
    """Take what has the right name for ours."""
    ours = Owner("MPIJob", job.name, job.uid)
    pods = tuple(
        pod._replace(owner=ours) if pod.owner.kind == "MPIJob" else pod
        for pod in seen.pods
    )
    launcher = seen.launcher and seen.launcher._replace(owner=ours)
    return evolve(seen, pods=pods, launcher=launcher)


def _there_is_ready(_: MPIJob, seen: Observed) -> Observed:
    """Take a worker that is there for one that is Ready."""
    return evolve(seen, pods=tuple(pod._replace(ready=True) for pod in seen.pods))


def _none_goes(_: MPIJob, seen: Observed) -> Observed:
    """Take what terminates for what stays."""
    return evolve(
        seen, pods=tuple(pod._replace(terminating=False) for pod in seen.pods)
    )


def _gone_when_going(_: MPIJob, seen: Observed) -> Observed:
    """Take what terminates for gone."""
    pods = tuple(pod for pod in seen.pods if not pod.terminating)
    launcher = None if seen.launcher and seen.launcher.terminating else seen.launcher
    return evolve(seen, pods=pods, launcher=launcher)


# --- Statuses -------------------------------------------------------------------------


def _observed_only(job: MPIJob, seen: Observed, plan: Plan) -> Plan:
    """Count what is seen to run, and nothing that is meant."""

    def active(replica: ReplicaStatus | None, role: str) -> ReplicaStatus | None:
        count = sum(
            pod.phase == "Running"
            and pod.labels.get("training.kubeflow.org/job-role") == role
            for pod in seen.pods
        )
        return replica and replica._replace(active=count)

    def change(action: Action) -> Action | None:
        if not isinstance(action, mpijob.WriteStatus):
            return action
        status = action.status
        status = evolve(
            status,
            worker=active(status.worker, "worker"),
            launcher=active(status.launcher, "launcher"),
        )
        return None if status == job.status else action._replace(status=status)

    return _each(change)(job, seen, plan)


def _freed_at_once(job: MPIJob, seen: Observed, plan: Plan) -> Plan:
    """Say that a job holds nothing as soon as it is to be suspended."""

    def change(action: Action) -> Action | None:
        if not isinstance(action, mpijob.WriteStatus):
            return action
        status = action.status
        if not status.is_true(ConditionType.SUSPENDED):
            return action
        status = evolve(
            status,
            worker=status.worker and status.worker._replace(active=0),
            launcher=status.launcher and status.launcher._replace(active=0),
            start_time=None,
        )
        return None if status == job.status else action._replace(status=status)

    return _each(change)(job, seen, plan)


# --- The table ------------------------------------------------------------------------

BUGS: Final[tuple[Bug, ...]] = (
    Bug(
        "looks before its caches show its own writes",
        Engine(behind=_never_behind),
        scenes.QUIET,
        slow=True,
    ),
    Bug(
        "writes the status whatever it now is",
        Engine(plans=_each(_unguarded_status), overwrites=True),
        scenes.STARTED,
    ),
    Bug(
        "deletes the launcher Job whatever it now is",
        Engine(plans=_each(_unguarded_deletion)),
        scenes.CONTESTED,
        slow=True,
    ),
    Bug(
        "deletes workers by name",
        Engine(plans=_each(_deletion_by_name)),
        scenes.OCCUPIED,
    ),
    Bug(
        "leaves a launcher Job's pods behind",
        Engine(plans=_each(_orphaning)),
        scenes.SUSPENDED,
    ),
    Bug(
        "makes children without a look at the job",
        Engine(plans=_each(_unconfirmed)),
        scenes.MEDDLED,
    ),
    Bug(
        "makes pods before the status counts them",
        Engine(plans=_last(_is_status)),
        scenes.QUIET,
    ),
    Bug(
        "cleans up before the verdict is written",
        Engine(plans=_last(_is_status)),
        scenes.CLEANED,
    ),
    Bug(
        "deletes a failed worker before it is counted",
        Engine(plans=_last(_is_not_deletion)),
        scenes.FAILING,
        slow=True,
    ),
    Bug("counts failures that bear no number", Engine(sees=_numbered), scenes.FAILING),
    Bug(
        "goes on after an answer that never came",
        Engine(after=_without_doubt),
        scenes.STARTED_TROUBLED,
        slow=True,
    ),
    Bug(
        "lists nothing anew after an answer that never came",
        Engine(behind=_never_doubtful),
        scenes.STARTED_TROUBLED,
        slow=True,
    ),
    Bug(
        "waits for no clock of its own",
        Engine(sets_timers=False),
        scenes.TIMED,
    ),
    Bug(
        "deletes the launcher Job at once on suspend",
        Engine(sees=_stopped),
        scenes.SUSPENDED,
    ),
    Bug(
        "believes the caches where a live read is due",
        Engine(sees=_all_live),
        scenes.ALONE,
    ),
    Bug(
        "takes what has the right name for its own",
        Engine(sees=_by_name),
        scenes.ANEW,
        slow=True,
    ),
    Bug(
        "takes a worker that is there for a Ready one",
        Engine(sees=_there_is_ready),
        scenes.WAITING,
    ),
    Bug(
        "takes a pod that goes for one that stays",
        Engine(sees=_none_goes),
        scenes.MEDDLED,
        slow=True,
    ),
    Bug(
        "takes a pod that goes for one that is gone",
        Engine(sees=_gone_when_going),
        scenes.SUSPENDED,
        slow=True,
    ),
    Bug("counts what runs, not what may", Engine(plans=_observed_only), scenes.QUIET),
    Bug(
        "says at once that a suspended job holds nothing",
        Engine(plans=_freed_at_once),
        scenes.SUSPENDED,
    ),
    Bug(
        "starts from lists of any age",
        Engine(lists_anew=False),
        scenes.QUIET,
        slow=True,
    ),
    Bug(
        "starts while old requests may land",
        Engine(waits_for_lease=False),
        scenes.STARTED_TROUBLED,
        slow=True,
    ),
)
