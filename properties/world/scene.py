# SPDX-License-Identifier: Apache-2.0
"""What is searched: a job, and what may come upon it. Small, and every bit of it."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

import mpijob
from mpijob.job import API_VERSION, KIND
from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.executor import Kind
from mpijob_operator.simulation import users
from mpijob_operator.simulation.cluster import Cluster, is_terminating
from mpijob_operator.simulation.deeds import placed, status_of
from mpijob_operator.simulation.life import START
from mpijob_operator.simulation.users import UserDeed
from properties.world.engine import Engine
from properties.world.state import JOB, KINDS, LAGGING, Left, State, listed

# What may befall the operator: it dies between two requests; a request is done and no
# answer comes; one is under way and no answer comes; a live read fails.
USUAL: Final = frozenset(("crash", "silence", "delay", "unreadable"))
# A good request is refused: somebody was faster, a quota is full, a webhook finds
# fault, there are too many, a token is stale.
REFUSING: Final = frozenset(("conflict", "quota", "invalid", "throttled", "stranger"))


@frozen
class Scene:
    """A job, its cluster and its users."""

    name: str
    workers: int = 2
    spec: Manifest = field(factory=dict[str, Any])
    run_policy: Manifest = field(factory=dict[str, Any])
    left: Left = field(factory=Left)
    # What users may do, by what they are said to do.
    deeds: Mapping[str, UserDeed] = field(factory=dict[str, UserDeed])
    # How a pod may fail.
    fails: frozenset[str] = frozenset(("worker", "launcher", "evicted"))
    # Whether the Job controller may make a pod of a Job that has changed meanwhile.
    job_controller_lags: bool = False
    # Whether it begins when everything runs, and not when the job is created.
    runs: bool = False
    # Whether Service, ConfigMap and Secret are written one by one, like all else.
    each_thing: bool = False
    # Which faults there may be, of those below.
    faults: frozenset[str] = USUAL
    # Which caches may lag; the others show everything at every look.
    lags: frozenset[Kind] = frozenset(KINDS)
    # Whether the caches of Service, ConfigMap and Secret are such as can lag.
    things_lag: bool = False
    # Whether it is told when containers ended, so that replacing them has to wait.
    dated: bool = False
    # The scheduler of gangs that the operator is set up for, if any.
    gang: str = ""
    # Pods for which no node is ever found, and pods whose node is lost for good.
    unscheduled: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()

    @property
    def manifest(self) -> Manifest:
        """The MPIJob as it is created."""
        template = {"spec": {"containers": [{"name": "mpi", "image": "a"}]}}
        launcher = {"template": template, "restartPolicy": "Never"}
        roles: dict[str, Any] = {"Launcher": launcher}
        if self.workers:
            roles["Worker"] = {"replicas": self.workers, "template": template}
        spec = {"mpiReplicaSpecs": roles, "runPolicy": self.run_policy, **self.spec}
        metadata = {"name": JOB.name, "namespace": JOB.namespace}
        base = {"apiVersion": API_VERSION, "kind": KIND}
        return {**base, "metadata": metadata, "spec": spec}

    @property
    def arrives_within(self) -> int:
        """How many moves without trouble lead from any moment to rest, at most.

        Linear in the pods that there may be. The longest ways that were measured are 18
        moves for one pod, 35 for two and 39 for three.
        """
        grows = not self.deeds.keys().isdisjoint((*SCALES, *DELETES))
        return 12 + 15 * (1 + (max(self.workers, 2) if grows else self.workers))

    def holds(self, ref: Ref, pod: Manifest) -> bool:
        """Tell whether a pod stays as it is for ever, whatever is asked of it."""
        if is_terminating(pod):
            return ref.name in self.lost
        waits = status_of(pod).get("phase") not in ("Running", "Succeeded", "Failed")
        return ref.name in self.unscheduled and waits

    def set_up(self, engine: Engine) -> Engine:
        """Return the operator as it is set up here."""
        if not self.gang:
            return engine
        return evolve(engine, settings=mpijob.Settings(gang_scheduler=self.gang))

    def beginning(self) -> State:
        """Return the moment at which the job was created."""
        cluster = Cluster(START)
        cluster.create(self.manifest)
        world = cluster.snapshot()
        caches = listed(world, KINDS if self.things_lag else LAGGING)
        return State(world, caches, left=self.left, made={JOB: 1})


def _to_one(cluster: Cluster, job: Ref) -> str:
    return users.scale(cluster, job, replicas=1)


def _to_two(cluster: Cluster, job: Ref) -> str:
    return users.scale(cluster, job, replicas=2)


def _to_image(cluster: Cluster, job: Ref) -> str:
    path = ("spec", "mpiReplicaSpecs", "Worker", "template", "spec", "containers")
    return users.edit(cluster, job, path=(*path, 0, "image"), value="b")


def _worker(cluster: Cluster, job: Ref) -> str:
    return users.delete_worker(cluster, job, index=0)


def _occupies(cluster: Cluster, job: Ref) -> str:
    return users.occupy(cluster, job, kind="Pod", name=f"{job.name}-worker-0")


def _resumes_launcher(cluster: Cluster, job: Ref) -> str:
    ref = users.launcher(job)
    if ref not in cluster.objects:
        return f"finds no {ref.name}"
    cluster.update(ref, placed(cluster.objects[ref], "spec.suspend", new=False))
    return f"resumes {ref.name}"


def _again(cluster: Cluster, job: Ref) -> str:
    """Make the job anew, once it is gone: the name is the same, the job is not."""
    if job in cluster.objects:
        return f"finds {job.name} still there"
    cluster.create(Scene("again").manifest)
    return f"makes {job.name} anew"


SUSPENDS: Final[Mapping[str, UserDeed]] = {
    "suspends the job": users.suspend,
    "resumes the job": users.resume,
}
SCALES: Final[Mapping[str, UserDeed]] = {
    "asks for one worker": _to_one,
    "asks for two workers": _to_two,
}
EDITS: Final[Mapping[str, UserDeed]] = {"changes the image": _to_image}
DELETES: Final[Mapping[str, UserDeed]] = {
    "deletes the job": users.delete,
    "makes the job anew": _again,
}
MEDDLES: Final[Mapping[str, UserDeed]] = {
    "deletes worker 0": _worker,
    "deletes the launcher Job": users.delete_launcher,
}
DELETES_LAUNCHER: Final[Mapping[str, UserDeed]] = {
    "deletes the launcher Job": users.delete_launcher,
    "suspends the job": users.suspend,
}
RESUMES_LAUNCHER: Final[Mapping[str, UserDeed]] = {
    "suspends the job": users.suspend,
    "resumes the launcher Job alone": _resumes_launcher,
}
STOPS_LAUNCHER: Final[Mapping[str, UserDeed]] = {
    "suspends the launcher Job alone": users.suspend_launcher,
    "suspends the job": users.suspend,
}
OCCUPIES: Final[Mapping[str, UserDeed]] = {
    "deletes worker 0": _worker,
    "makes a pod of that name": _occupies,
}

# --- The scenes -------------------------------------------------------------------

# Small enough to be seen whole, in seconds to a minute.
WHOLE: Final = (
    Scene("one worker, nothing amiss", 1, left=Left(0, 0, 0)),
    Scene("no workers, suspended", 0, left=Left(0, 1, 0), deeds=SUSPENDS),
    Scene("one worker, a crash", 1, left=Left(1, 0, 0)),
    Scene(
        "one worker that runs, a suspension, a fault",
        1,
        runs=True,
        left=Left(1, 1, 0),
        deeds=SUSPENDS,
    ),
    Scene(
        "one worker that runs, suspended and resumed",
        1,
        runs=True,
        left=Left(0, 2, 0),
        deeds=SUSPENDS,
    ),
)
_FULL: Final = Left(faults=1, deeds=2, failures=1)
# Two workers, a fault, two deeds of users, a pod that fails: too many moments to see
# them all. The first three are what the proof is measured by.
WIDE: Final = (
    Scene("two workers, suspended and resumed", runs=True, left=_FULL, deeds=SUSPENDS),
    Scene(
        "two workers, scaled, deleted, made anew",
        runs=True,
        left=_FULL,
        deeds={**SCALES, **DELETES, **EDITS},
    ),
    Scene(
        "two workers from the start, the launcher waits",
        spec={"launcherCreationPolicy": "WaitForWorkersReady"},
        left=_FULL,
        deeds={**SUSPENDS, **SCALES},
    ),
    Scene(
        "one worker, children deleted, all cleaned up",
        1,
        runs=True,
        run_policy={"cleanPodPolicy": "All", "backoffLimit": 0},
        left=_FULL,
        deeds={**MEDDLES, **SUSPENDS},
    ),
    Scene(
        "one worker, gone when it has ended",
        1,
        runs=True,
        run_policy={"ttlSecondsAfterFinished": 0},
        left=_FULL,
        deeds={**DELETES, **SUSPENDS},
    ),
    Scene(
        "one worker, the Job controller lags",
        1,
        runs=True,
        left=_FULL,
        deeds=SUSPENDS,
        job_controller_lags=True,
    ),
    Scene(
        "one worker, two failures", 1, runs=True, left=Left(1, 0, 2), each_thing=True
    ),
    Scene(
        "one worker, the launcher waits and is stopped",
        1,
        runs=True,
        spec={"launcherCreationPolicy": "WaitForWorkersReady"},
        left=Left(0, 1, 1, waits=1),
        deeds={"suspends the launcher Job alone": users.suspend_launcher},
    ),
    Scene("one worker, its name taken", 1, runs=True, left=_FULL, deeds=OCCUPIES),
    Scene(
        "one worker, Service, ConfigMap and Secret lag",
        1,
        left=Left(1, 1, 0),
        deeds=SCALES,
        each_thing=True,
        things_lag=True,
    ),
)
_TIMED: Final = Left(faults=1, deeds=1, failures=0, waits=1)
# What waits for a clock of the operator's: a deadline, a TTL, 10 s, 5 s; and what is
# refused though it is good.
TIMED: Final = (
    Scene(
        "one worker, a deadline",
        1,
        runs=True,
        run_policy={"activeDeadlineSeconds": 1000},
        left=_TIMED,
        deeds=SUSPENDS,
    ),
    Scene(
        "one worker, kept for a minute",
        1,
        runs=True,
        run_policy={"ttlSecondsAfterFinished": 60, "cleanPodPolicy": "All"},
        left=_TIMED,
        deeds=DELETES,
    ),
    Scene(
        "one worker, its launcher Job suspended by somebody",
        1,
        runs=True,
        left=evolve(_TIMED, deeds=2),
        deeds=STOPS_LAUNCHER,
    ),
    Scene(
        "one worker, failures that wait to be made good",
        1,
        runs=True,
        left=Left(1, 0, 2, waits=1),
        dated=True,
    ),
    Scene(
        "one worker, good requests refused",
        1,
        left=Left(2, 1, 0),
        deeds=SUSPENDS,
        faults=REFUSING,
    ),
)

# What is searched with one kind of trouble at a time, for the ends it may come to.
NEVER: Final = frozenset[tuple[str, str]]()
QUIET: Final = Scene("one worker, nothing amiss", 1, left=Left(0, 0, 0), lags=NEVER)
SUSPENDED: Final = Scene(
    "one worker that runs, suspended",
    1,
    runs=True,
    left=Left(0, 1, 0),
    deeds={"suspends the job": SUSPENDS["suspends the job"]},
    lags=NEVER,
)
EVICTED: Final = Scene(
    "one worker that is evicted",
    1,
    runs=True,
    left=Left(0, 0, 1),
    fails=frozenset(("evicted",)),
    lags=NEVER,
)
PAIR: Final = evolve(EVICTED, name="two workers, of which one is evicted", workers=2)
