# SPDX-License-Identifier: Apache-2.0
"""Any job, and any view of a cluster, consistent or not, as JSON.

JSON, so that the decoder is under test too. Names and uids come from small pools:
collisions, strangers and objects of an earlier job of the same name are common.
`questions` leans to what makes sense; `hostile_questions` spoils that anywhere.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import evolve, frozen
from hypothesis import strategies as st

import mpijob
from mpijob import Observed, PriorityClass, Settings, World, sightings
from mpijob.job import MPIJob
from mpijob.loose import Manifest, mapping, sequence
from mpijob.names import Child
from mpijob.observed import Live, Refusal, Unreadable
from mpijob.plan import Plan
from mpijob.reconcile import Reconciliation

Json = dict[str, Any]

NOW: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
NAMESPACE: Final = "hpc"
# The second and third are names that a child of the first could have.
NAMES: Final = ("pi", "pi-worker-1", "pi-launcher")
UID: Final = "u-job"
FORMER: Final = "u-former"  # An MPIJob of the same name that is gone.
LIVE: Final = frozenset(Live)


_WORLD: Final = World(NOW)


@frozen
class Question:
    """All that one call of the function is asked."""

    manifest: Json
    objects: tuple[Json, ...] = ()
    world: World = _WORLD
    refusals: tuple[Refusal, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    unknown: frozenset[Child] = frozenset()
    live: frozenset[Live] = LIVE

    @property
    def job(self) -> MPIJob:
        """The job, decoded."""
        return mpijob.decode(self.manifest)

    @property
    def observed(self) -> Observed:
        """The objects, sorted."""
        return evolve(
            sightings.observed(self.objects, self.job),
            refusals=self.refusals,
            unreadable=self.unreadable,
            unknown=self.unknown,
            live=self.live,
        )

    @property
    def answer(self) -> Reconciliation:
        """The answer of the function."""
        return mpijob.reconcile(self.job, self.observed, self.world)

    @property
    def plan(self) -> Plan:
        """What would be done."""
        return mpijob.plan(self.job, self.observed, self.answer)

    def having(self, *objects: Json) -> "Question":
        """Return the question with more objects in the cluster."""
        return evolve(self, objects=(*self.objects, *objects))


def chance(one_in: int) -> st.SearchStrategy[bool]:
    """Draw True once in so many; it shrinks to False."""
    return st.sampled_from([False] * (one_in - 1) + [True])


def evenly(*choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from each as often; `one_of` would count the parts of one that is one_of."""
    return st.integers(0, len(choices) - 1).flatmap(lambda which: choices[which])


# --- Times --------------------------------------------------------------------

# Seconds from now; the last are of a clock that is ahead.
_OFFSETS: Final = (-7200, -700, -60, -6, -4, -1, 0, 3, 3600)


def stamp(seconds: float) -> str:
    """Write a time so many seconds from now."""
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


times = st.sampled_from([stamp(seconds) for seconds in _OFFSETS])
garbage_times = st.sampled_from(
    ["yesterday", "", 5, None, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z"]
)

# --- Jobs: a plain one, and what may be said beside it --------------------------

Edit = tuple[str, Any]
"""A path into a JSON object, dots between, and what to put there."""

_CPU: Final = {"cpu": "500m", "memory": "1Gi"}
_SSH_PORT: Final = {"name": "ssh", "containerPort": 2222, "protocol": "TCP"}
GANG: Final = "metadata.annotations.training~kubeflow~org/gang-scheduling"
_QUEUE: Final = "kueue~x-k8s~io/queue-name"
_POLICY: Final = "spec.runPolicy"
_GROUP: Final = "spec.runPolicy.schedulingPolicy"

_TEMPLATE_EDITS: Final[tuple[Edit, ...]] = (
    ("containers.0.image", "mpi:2"),
    ("containers.0.command", ["mpirun", "-n", "2"]),
    ("containers.0.command", []),
    ("containers.0.args", ["-v"]),
    ("containers.0.env", [{"name": "K_MPI_JOB_ROLE", "value": "user"}]),
    ("containers.0.env", [{"name": n, "value": ""} for n in ("A", "I_MPI_PERHOST")]),
    ("containers.0.ports", [_SSH_PORT]),
    ("containers.0.readinessProbe", {"tcpSocket": {"port": 2222}}),
    ("containers.0.resources", {"limits": {"nvidia.com/gpu": 1, **_CPU}}),
    ("containers.0.resources", {"requests": {"cpu": "1e3"}}),
    ("containers.0.securityContext", {"runAsUser": 1000}),
    ("containers.0.securityContext", {"runAsNonRoot": True}),
    ("containers.0.volumeMounts", [{"name": "data", "mountPath": "/data"}]),
    ("containers.1", {"name": "side", "image": "side", "resources": {"limits": _CPU}}),
    ("hostNetwork", True),
    ("restartPolicy", "Always"),
    ("priorityClassName", "high"),
    ("priorityClassName", "missing"),
    ("nodeSelector", {"pool": "a"}),
    ("volumes", [{"name": "data", "emptyDir": {}}]),
    ("dnsConfig", {"searches": ["example.com"]}),
    ("securityContext", {"fsGroup": 100, "runAsUser": 0}),
    ("initContainers", [{"name": "init", "restartPolicy": "Always"}]),
    ("overhead", {"cpu": "250m"}),
)
_METADATA_EDITS: Final[tuple[Edit, ...]] = (
    (f"labels.{_QUEUE}", "q"),
    ("labels.app", "mine"),
    ("labels.training~kubeflow~org/job-role", "other"),
    ("annotations.a", "b"),
)


def _of_role(role: str, *policies: str) -> tuple[Edit, ...]:
    at = f"spec.mpiReplicaSpecs.{role}"
    return (
        *((f"{at}.template.spec.{path}", part) for path, part in _TEMPLATE_EDITS),
        *((f"{at}.template.metadata.{path}", part) for path, part in _METADATA_EDITS),
        *((f"{at}.restartPolicy", policy) for policy in policies * 3),
    )


LAUNCHER_EDITS: Final = _of_role("Launcher", "Never", "ExitCode", "")
WORKER_EDITS: Final = _of_role("Worker", "OnFailure", "ExitCode", "Always")
SPEC_EDITS: Final[tuple[Edit, ...]] = (
    *[("spec.launcherCreationPolicy", "WaitForWorkersReady")] * 3,
    *[(f"{_POLICY}.suspend", True)] * 3,
    *[("spec.runLauncherAsWorker", True)] * 2,
    ("spec.slotsPerWorker", 0),
    ("spec.slotsPerWorker", 8),
    ("spec.sshAuthMountPath", "/home/mpi/.ssh/"),
    ("spec.mpiImplementation", "Intel"),
    ("spec.mpiImplementation", "MPICH"),
    (f"{_POLICY}.cleanPodPolicy", "Running"),
    (f"{_POLICY}.cleanPodPolicy", "All"),
    (f"{_POLICY}.ttlSecondsAfterFinished", 60),
    (f"{_POLICY}.ttlSecondsAfterFinished", 10**9),
    (f"{_POLICY}.activeDeadlineSeconds", 5000),
    (f"{_POLICY}.activeDeadlineSeconds", 30),
    (f"{_POLICY}.backoffLimit", 0),
    (f"{_POLICY}.backoffLimit", 2),
    (f"{_POLICY}.managedBy", "kubeflow.org/mpi-operator"),
    (f"{_GROUP}.minAvailable", 1),
    (f"{_GROUP}.queue", "q"),
    (f"{_GROUP}.minResources", {"cpu": "3"}),
    (f"{_GROUP}.priorityClass", "high"),
    (f"{_GROUP}.scheduleTimeoutSeconds", 30),
    (GANG, "volcano"),
    (GANG, "none"),
    (GANG, "kubernetes"),
    (f"metadata.labels.{_QUEUE}", "q"),
    ("metadata.generation", 2),
)


# Of these jobs nothing is to be learnt but that they are left alone: they are rare.
ELSEWHERE: Final[Edit] = (f"{_POLICY}.managedBy", "kueue.x-k8s.io/multikueue")
DELETED: Final[Edit] = ("metadata.deletionTimestamp", stamp(0))


def kept(manifest: Manifest) -> Json:
    """Return a copy of JSON that shares nothing with it."""
    copy: Json = json.loads(json.dumps(manifest))
    return copy


def edited(manifest: Manifest, edits: Iterable[Edit]) -> Json:
    """Return a copy with these edits; one into what is not there makes its way."""
    result = kept(manifest)
    for path, part in edits:
        at: Any = result
        *way, last = (key.replace("~", ".") for key in path.split("."))
        for key in way:
            if not key.isdigit() and not at.get(key):
                at[key] = {}
            at = at[int(key) if key.isdigit() else key]
        if last.isdigit():
            at[int(last) :] = [part]
        else:
            at[last] = part
    return kept(result)


def plain_job(name: str = "pi", workers: int = 2) -> Json:
    """Return a job that says no more than it must."""
    template = {"spec": {"containers": [{"name": "mpi", "image": "mpi:1"}]}}
    roles: Json = {"Launcher": {"template": template}}
    if workers:
        roles["Worker"] = {"replicas": workers, "template": template}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": UID,
            "resourceVersion": "10",
            "generation": 1,
            "creationTimestamp": stamp(-7200),
        },
        "spec": {"mpiReplicaSpecs": roles},
        "status": {},
    }


@st.composite
def fresh_jobs(draw: st.DrawFn, *always: Edit) -> Json:
    """Draw a valid job in a cluster, without a status; some things said in any case."""
    name = draw(st.sampled_from(["pi", *NAMES]))
    workers = draw(st.sampled_from([2, 1, 3, 4, 2, 0]))
    edits = draw(st.lists(st.sampled_from(SPEC_EDITS), max_size=8))
    edits += draw(st.lists(st.sampled_from(LAUNCHER_EDITS), max_size=4))
    if workers:
        edits += draw(st.lists(st.sampled_from(WORKER_EDITS), max_size=4))
    if draw(chance(20)):
        edits.append(draw(st.sampled_from([ELSEWHERE, DELETED])))
    return edited(plain_job(name, workers), [*edits, *always])


# --- The world ----------------------------------------------------------------

_SETTINGS: Final = st.builds(
    Settings,
    cluster_domain=st.sampled_from(["", "", "cluster.local"]),
    gang_scheduler=st.sampled_from(["none", "none", "volcano", "kubernetes", "sched"]),
    workload_api=st.sampled_from(["v1beta1", "v1alpha2"]),
    ttl_keeps_job=chance(3),
    refused_timeout=st.just(timedelta(minutes=10)),
    observed_generation=chance(4).map(lambda absent: not absent),
)
_CLASSES: Final = (
    PriorityClass("high", 9),
    PriorityClass("usual", 5, global_default=True),
)
worlds = st.builds(
    World,
    now=st.sampled_from([NOW, NOW + timedelta(microseconds=999_999)]),
    settings=_SETTINGS,
    priority_classes=st.sampled_from([(), _CLASSES]),
)

# --- Spoiling -----------------------------------------------------------------

scalars = st.sampled_from(
    [None, True, False, -1, 0, 2**31, 2**63, -(10**40), 1.5, 1e300, "", "x", "True"]
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "status", "spec", "a"]), inner)
    ),
    max_leaves=5,
)


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> list[Any]:
    """Return the path of every part of a JSON value but the whole."""
    parts: list[tuple[Any, object]] = [*enumerate(sequence(value))]
    parts += mapping(value).items()
    found: list[Any] = []
    for key, part in parts:
        found += [(*path, key), *paths_of(part, (*path, key))]
    return found


def put(value: Json, path: tuple[Any, ...], part: object) -> None:
    """Replace one part of a JSON value."""
    at: Any = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = part


@st.composite
def spoilt(draw: st.DrawFn, manifest: Json) -> Json:
    """Draw an object of which some parts are anything at all."""
    value = kept(manifest)
    for _ in range(draw(st.integers(0, 3))):
        if paths := paths_of(value):
            put(value, draw(st.sampled_from(paths)), draw(anything | garbage_times))
    return value
