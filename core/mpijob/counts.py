# SPDX-License-Identifier: Apache-2.0
"""The counts of the status: what may hold a node, what ended, how (B4.5, B4.9).

Unlike mpi-operator: `active` counts pods that are Pending, that terminate or that are
still to be made, so that Kueue frees quota only when nothing can hold a node (B4.5).
"""

from mpijob import names
from mpijob.case import Case
from mpijob.job import Role
from mpijob.replacement import failure_count
from mpijob.status import ReplicaStatus


def launcher_counts(case: Case, *, wanted: bool, fresh: bool) -> ReplicaStatus:
    """Return the launcher's counts.

    Args:
        case: The evidence.
        wanted: Whether pods that the spec asks for may be made from here on: they
            count before they exist, for a create may still be under way.
        fresh: Whether the job starts now, and nothing recorded counts.
    """
    recorded = ReplicaStatus() if fresh else case.job.status.launcher or ReplicaStatus()
    job = case.roster.launcher
    at_least = 1 if wanted or (job is not None and not job.finished) else 0
    live = sum(pod.live for pod in case.roster.launchers)
    return ReplicaStatus(
        active=max(live, at_least),
        succeeded=job.succeeded if job else recorded.succeeded,
        failed=job.failed if job else recorded.failed,
        selector=names.role_selector(case.job, Role.LAUNCHER),
    )


def worker_counts(case: Case, *, wanted: bool, fresh: bool) -> ReplicaStatus:
    """Return the workers' counts; the arguments are those of `launcher_counts`."""
    recorded = ReplicaStatus() if fresh else case.job.status.worker or ReplicaStatus()
    workers, replicas = case.roster.workers, case.job.workers
    live = sum(pod.live for pod in (*workers.values(), *case.roster.strays))
    there = sum(pod.phase != "Failed" for i, pod in workers.items() if i < replicas)
    succeeded = sum(pod.phase == "Succeeded" for pod in workers.values())
    return ReplicaStatus(
        active=live + (replicas - there if wanted else 0),
        succeeded=max(recorded.succeeded, succeeded),
        failed=0 if fresh else failure_count(case),
        selector=names.role_selector(case.job, Role.WORKER),
    )
