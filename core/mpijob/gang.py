# SPDX-License-Identifier: Apache-2.0
"""Gang scheduling: by whom, how many pods at least, and what they need (B7)."""

from typing import Final

from mpijob import names
from mpijob.job import MPIJob, ReplicaSpec, Role
from mpijob.loose import Manifest, mapping, text
from mpijob.quantities import total
from mpijob.resources import Request, pod_request
from mpijob.roster import Roster
from mpijob.world import NO_GANG, PriorityClass, Settings, World


def wanted_scheduler(job: MPIJob, settings: Settings) -> str:
    """Return the gang scheduler that a start takes, `none` for none (B7.7)."""
    asked = job.annotations.get(names.GANG_SCHEDULING)
    return asked or settings.gang_scheduler or NO_GANG


def scheduler_of(job: MPIJob, roster: Roster, settings: Settings) -> str:
    """Return the gang scheduler of the present start.

    Pods that exist tell which it was: a group half in one scheduler and half in
    another would wait for ever. Without pods, the annotation and the setting.
    """
    if not any(map(_is_marked, job.replicas.values())):
        for pod in (*roster.workers.values(), *roster.launchers):
            return pod.scheduler or NO_GANG
    return wanted_scheduler(job, settings)


def _is_marked(replica: ReplicaSpec) -> bool:
    """Tell whether a template joins a group of the user's: its pods tell nothing."""
    return (
        names.SCHEDULER_PLUGINS_GROUP in mapping(replica.metadata.get("labels"))
        or names.VOLCANO_GROUP in mapping(replica.metadata.get("annotations"))
        or "schedulingGroup" in replica.pod_spec
    )


def possible_members(job: MPIJob) -> int:
    """Return how many pods can exist before the launcher's own start is decided.

    Unlike mpi-operator: with WaitForWorkersReady the launcher does not exist yet, and
    a group that waits for it never starts (B7.2).
    """
    return max(job.workers, 1) if job.waits_for_workers else job.workers + 1


def min_member(job: MPIJob) -> int:
    """Return how many pods must be placed together (B7.2)."""
    asked = job.run_policy.scheduling_policy.min_available
    possible = possible_members(job)
    return possible if asked is None else max(min(asked, possible), 1)


def min_resources(job: MPIJob, world: World) -> Manifest:
    """Return what the pods of the gang need together, resource name -> quantity."""
    given = job.run_policy.scheduling_policy.min_resources
    if given is not None:
        return given
    # Unlike mpi-operator: the pods of the highest priority are counted, whichever
    # their role, and the launcher comes before workers of equal priority (B7.3).
    roles = sorted(job.replicas.items(), key=lambda each: -_priority(each[1], world))
    left = min_member(job)
    requests: list[Request] = []
    for role, replica in roles:
        taken = min(_count(job, role), left)
        left -= taken
        requests.extend([pod_request(replica.pod_spec)] * taken)
    return total(requests)


def _count(job: MPIJob, role: Role) -> int:
    if role is Role.WORKER:
        return job.workers
    return 0 if job.waits_for_workers and job.workers else 1


def priority_class(replica: ReplicaSpec) -> str:
    """Return the name of the PriorityClass in a template, empty for none."""
    return text(replica.pod_spec, "priorityClassName")


# Classes that every cluster has (`k8s.io/kubernetes/pkg/apis/scheduling`).
_SYSTEM_CLASSES: Final = (
    PriorityClass("system-cluster-critical", 2_000_000_000),
    PriorityClass("system-node-critical", 2_000_001_000),
)


def find_priority_class(name: str, world: World) -> PriorityClass | None:
    """Return the class of a name; of the empty name, the global default's."""
    for known in (*world.priority_classes, *_SYSTEM_CLASSES):
        if known.name == name or (not name and known.global_default):
            return known
    return None


def _priority(replica: ReplicaSpec, world: World) -> int:
    found = find_priority_class(priority_class(replica), world)
    return found.value if found else 0


def group_priority_class(job: MPIJob) -> str:
    """Return the priorityClassName of the group (B7.4), empty for none."""
    asked = job.run_policy.scheduling_policy.priority_class
    given = (asked, *map(priority_class, job.replicas.values()))
    return next(filter(None, given), "")
