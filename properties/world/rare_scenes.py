# SPDX-License-Identifier: Apache-2.0
"""What comes seldom: slow ends of a job, queues, gangs, and what never gets better."""

from collections.abc import Mapping
from typing import Final

from mpijob.loose import mapping
from mpijob.names import Ref
from mpijob_operator.simulation import users
from mpijob_operator.simulation.cluster import Cluster, is_terminating
from mpijob_operator.simulation.deeds import (
    condition_of,
    finalizers_of,
    placed,
    spec_of,
    status_of,
)
from mpijob_operator.simulation.users import UserDeed
from properties.world.rests import is_orphan
from properties.world.scene import (
    DELETES,
    EDITS,
    EVICTED,
    MEDDLES,
    PAIR,
    SCALES,
    SUSPENDED,
    SUSPENDS,
    TIMED,
    WHOLE,
    WIDE,
    Scene,
)
from properties.world.state import Left

_FINALIZER: Final = "example.com/backup"
_ROLES: Final = "spec.mpiReplicaSpecs"
_PLACE: Final = "template.spec.nodeSelector"


def _deletes(policy: str) -> UserDeed:
    def deed(cluster: Cluster, job: Ref) -> str:
        if job not in cluster.objects:
            return users.NO_JOB
        cluster.delete(job, policy)
        return f"deletes MPIJob {job.name}, {policy}"

    return deed


def _orphans(cluster: Cluster, job: Ref) -> str:
    ref = users.launcher(job)
    if ref not in cluster.objects:
        return f"finds no {ref.name}"
    cluster.delete(ref, "Orphan")
    return f"deletes {ref.name}, Orphan"


def _clears(cluster: Cluster, job: Ref) -> str:
    """Delete each launcher that nobody owns, as whoever reads of it would."""
    for ref, pod in cluster.all("Pod"):
        if is_orphan(ref, pod):
            cluster.delete(ref)
            return f"deletes {ref.name}"
    return f"finds no pod of {job.name} that was left"


def _holds(cluster: Cluster, job: Ref) -> str:
    """Put a finalizer on the job, as whoever copies its results would."""
    if job not in cluster.objects or is_terminating(cluster.objects[job]):
        return users.NO_JOB
    held = placed(cluster.objects[job], "metadata.finalizers", [_FINALIZER])
    cluster.update(job, held)
    return f"holds {job.name}"


def _lets_go(cluster: Cluster, job: Ref) -> str:
    if job not in cluster.objects or not finalizers_of(cluster.objects[job]):
        return users.NO_JOB
    cluster.update(job, placed(cluster.objects[job], "metadata.finalizers", []))
    return f"lets {job.name} go"


def _admits(cluster: Cluster, job: Ref) -> str:
    """Resume the job and say where its pods go, in one write, once it holds nothing.

    Each time it is another place, so that no pod of an earlier start fits.
    """
    value = cluster.objects.get(job)
    if value is None or not mapping(spec_of(value).get("runPolicy")).get("suspend"):
        return users.NO_JOB
    counts = mapping(status_of(value).get("replicaStatuses")).values()
    if any(mapping(count).get("active") for count in counts):
        return f"waits for {job.name}"
    place = {"zone": f"of-{value['metadata']['generation']}"}
    for role in mapping(spec_of(value)["mpiReplicaSpecs"]):
        value = placed(value, f"{_ROLES}.{role}.{_PLACE}", place)
    cluster.update(job, placed(value, "spec.runPolicy.suspend", new=False))
    return f"admits {job.name}"


def _evicts(cluster: Cluster, job: Ref) -> str:
    """Suspend the job and take back where its pods go, in one write."""
    value = cluster.objects.get(job)
    if value is None or mapping(spec_of(value).get("runPolicy")).get("suspend"):
        return users.NO_JOB
    if any(condition_of(value, end) for end in ("Succeeded", "Failed")):
        return f"finds {job.name} at its end"
    for role in mapping(spec_of(value)["mpiReplicaSpecs"]):
        value = placed(value, f"{_ROLES}.{role}.{_PLACE}", {})
    cluster.update(job, placed(value, "spec.runPolicy.suspend", new=True))
    return f"evicts {job.name}"


_ANEW: Final = {"makes the job anew": DELETES["makes the job anew"]}
_QUEUE: Final = {"evicts the job": _evicts, "admits the job": _admits}
_DELAYED: Final = frozenset(("crash", "delay"))
_FIRST: Final = frozenset(("pi-worker-0",))

RARE_WHOLE: Final = (
    Scene(
        "one worker, deleted and its children left",
        1,
        runs=True,
        left=Left(0, 2, 0),
        deeds={"deletes the job, not its children": _deletes("Orphan"), **_ANEW},
    ),
    Scene(
        "one worker, evicted and admitted by a queue",
        1,
        runs=True,
        left=Left(1, 2, 0),
        deeds=_QUEUE,
        faults=_DELAYED,
    ),
    Scene(
        "no workers, admitted, evicted, admitted again",
        0,
        run_policy={"suspend": True},
        runs=True,
        left=Left(1, 3, 0),
        deeds=_QUEUE,
        faults=_DELAYED,
    ),
    Scene(
        "one worker for which there is no node, the launcher waits",
        1,
        runs=True,
        spec={"launcherCreationPolicy": "WaitForWorkersReady"},
        left=Left(0, 2, 0),
        deeds={**SUSPENDS, **SCALES, **DELETES},
        unscheduled=_FIRST,
    ),
    Scene(
        "no workers, a gang of scheduler-plugins",
        0,
        left=Left(1, 1, 0),
        deeds=SUSPENDS,
        faults=_DELAYED,
        gang="scheduler-plugins-scheduler",
    ),
)
_FULL: Final = Left(faults=1, deeds=2, failures=1)
RARE_WIDE: Final = (
    Scene(
        "one worker, its launcher Job deleted and the launcher left",
        1,
        runs=True,
        left=Left(1, 3, 0),
        deeds={
            "deletes the launcher Job, not its pod": _orphans,
            "deletes the launcher that was left": _clears,
            "suspends the job": SUSPENDS["suspends the job"],
        },
    ),
    Scene(
        "one worker, deleted in the foreground, made anew",
        1,
        left=Left(1, 2, 0),
        deeds={"deletes the job in the foreground": _deletes("Foreground"), **_ANEW},
    ),
    Scene(
        "one worker, deleted, held by a finalizer",
        1,
        left=Left(1, 3, 0),
        deeds={
            "puts a finalizer on the job": _holds,
            "deletes the job": users.delete,
            "takes the finalizer from the job": _lets_go,
        },
    ),
    Scene(
        "one worker, a gang of volcano",
        1,
        runs=True,
        left=_FULL,
        deeds=SUSPENDS,
        gang="volcano",
    ),
    Scene(
        "two workers, all that users do, a crash",
        runs=True,
        left=_FULL,
        deeds={**SUSPENDS, **SCALES, **DELETES, **EDITS},
        faults=frozenset(("crash",)),
    ),
    Scene(
        "two workers, for one of which there is no node",
        runs=True,
        left=_FULL,
        deeds={**SUSPENDS, **SCALES, **DELETES},
        unscheduled=_FIRST,
    ),
    Scene(
        "two workers, a node lost for good",
        runs=True,
        left=_FULL,
        deeds={**MEDDLES, **SUSPENDS, **SCALES, **DELETES},
        lost=_FIRST,
    ),
)

# Every scene that there is, by how far it can be seen.
SCENES: Final[Mapping[str, tuple[Scene, ...]]] = {
    "wide": (*WIDE, *RARE_WIDE),
    "whole": (*WHOLE, *RARE_WHOLE),
    "timed": TIMED,
}
EVERY: Final = (*SCENES["whole"], *SCENES["wide"], *SCENES["timed"])

NAMED: Final[Mapping[str, Scene]] = {
    scene.name: scene for scene in (*EVERY, SUSPENDED, EVICTED, PAIR)
}
"""Every scene that can be asked for by its name."""
