# SPDX-License-Identifier: Apache-2.0
"""What the simulated cluster foretells of a script, and how the real one is told it.

A script is a job and what befalls it, each step from rest to rest. Both clusters are
then described in the same words: the final objects, the status, and how often each
object was made and removed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from attrs import frozen

from mpijob.loose import Manifest, count, mapping, mappings, strings
from mpijob_operator.simulation import Script, Surroundings, users
from mpijob_operator.simulation.cluster import is_terminating
from mpijob_operator.simulation.deeds import is_true, spec_of, status_of
from mpijob_operator.simulation.life import START, Life
from mpijob_operator.simulation.nodes import Habits
from mpijob_operator.simulation.users import UserDeed
from tests.controlplane.pod_life import End
from tests.controlplane.stage import COLLECTIONS, Stage, mpijob

Json = dict[str, Any]
Things = Counter[str]
"""How often something happened to each object, by its kind and name."""

NAME: Final = "pi"
# What both clusters hold; Events are told, and nobody waits for one.
KINDS: Final[Mapping[str, str]] = {
    "MPIJob": "mpijobs",
    "Pod": "pods",
    "Job": "jobs",
    "Service": "services",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
}
PATHS: Final = {kind: COLLECTIONS[plural] for kind, plural in KINDS.items()}


@frozen
class Step:
    """One thing that befalls a job, in memory and in truth."""

    foretold: UserDeed
    done: Callable[[Stage], object]


def _scale(replicas: int) -> Step:
    return Step(
        partial(users.scale, replicas=replicas),
        lambda stage: stage.patch(
            NAME, mpiReplicaSpecs={"Worker": {"replicas": replicas}}
        ),
    )


def _fail(index: int, code: int) -> Step:
    return Step(
        partial(users.fail_worker, index=index, code=code),
        lambda stage: stage.nodes.end(_worker(stage, index), End(code)),
    )


def _exit(code: int) -> Step:
    return Step(
        partial(users.exit_launcher, code=code),
        lambda stage: stage.nodes.end(_launcher(stage), End(code)),
    )


def _worker(stage: Stage, index: int) -> str:
    return stage.key(f"{NAME}-worker-{index}")


def _launcher(stage: Stage) -> str:
    """Return the key of the launcher pod that runs."""
    pods = stage.all("pods").items()
    return next(
        stage.key(name)
        for name, pod in pods
        if name.startswith(f"{NAME}-launcher-") and pod["status"]["phase"] == "Running"
    )


def _delete(stage: Stage, kind: str, name: str) -> None:
    path = f"{stage.path(kind, name)}"
    body = {"propagationPolicy": "Background"}
    stage.client.request("DELETE", path, body).expect(200)


# A step by what a story calls it.
STEPS: Final[Mapping[str, Step]] = {
    "suspend": Step(users.suspend, lambda stage: stage.suspend(NAME)),
    "resume": Step(users.resume, lambda stage: stage.suspend(NAME, suspend=False)),
    "to 1": _scale(1),
    "to 3": _scale(3),
    "evict 0": Step(
        partial(users.evict_worker, index=0),
        lambda stage: stage.nodes.evict(_worker(stage, 0)),
    ),
    "fail 0": _fail(0, 3),
    "exit 0": _exit(0),
    "exit 1": _exit(1),
    "exit 137": _exit(137),
    "lose worker": Step(
        partial(users.delete_worker, index=1),
        lambda stage: _delete(stage, "pods", f"{NAME}-worker-1"),
    ),
    "lose launcher": Step(
        users.delete_launcher,
        lambda stage: _delete(stage, "jobs", f"{NAME}-launcher"),
    ),
    "delete": Step(users.delete, lambda stage: _delete(stage, "mpijobs", NAME)),
}


def job_of(**policy: object) -> Json:
    """Return a job of two workers whose launcher is tried twice at most."""
    return mpijob(NAME, 2, runPolicy={"backoffLimit": 1, **policy})


EXIT_CODE: Final = {"restartPolicy": "ExitCode"}

# The job, and the steps.
SCRIPTS: Final[Mapping[str, tuple[Json, tuple[str, ...]]]] = {
    "suspended and resumed": (job_of(), ("suspend", "resume")),
    "made suspended": (job_of(suspend=True), ("resume", "exit 0")),
    "scaled": (job_of(), ("to 1", "to 3")),
    "a worker evicted": (job_of(), ("evict 0", "exit 0")),
    "a worker fails": (job_of(), ("fail 0", "fail 0")),
    "succeeds, all cleaned": (job_of(cleanPodPolicy="All"), ("exit 0",)),
    "succeeds, workers cleaned": (job_of(cleanPodPolicy="Running"), ("exit 0",)),
    "the launcher fails": (job_of(backoffLimit=0), ("exit 1",)),
    "the launcher is tried again": (
        mpijob(NAME, 2, Launcher={"restartPolicy": "Never"}),
        ("exit 137", "exit 0"),
    ),
    "the launcher restarts in place": (job_of(backoffLimit=2), ("exit 1", "exit 0")),
    "an exit code is final": (
        mpijob(NAME, 2, Launcher=EXIT_CODE),
        ("exit 1",),
    ),
    "children lost": (job_of(), ("lose worker", "lose launcher")),
    "deleted": (job_of(), ("delete",)),
    "suspended and deleted": (job_of(), ("suspend", "delete")),
}


# --- What is told of both -------------------------------------------------------------


def described(objects: Iterable[Manifest]) -> Json:
    """Return what is compared of all that is there.

    Which workers ran is not followed once a job has ended: whether a look came between
    the last failure and the verdict is chance.
    """
    there, found = list(objects), dict[str, Any]()
    jobs = [value for value in there if value["kind"] == "MPIJob"]
    ended = any(is_true(job, end) for job in jobs for end in ("Succeeded", "Failed"))
    for value in there:
        told = _described(value)
        if ended and "data" in told:
            told["data"] = {**told["data"], "discover_hosts.sh": ""}
        # Two pods of one launcher are told by how they stand.
        found.setdefault(key_of(value), []).append(told)
    return {key: sorted(values, key=str) for key, values in sorted(found.items())}


def key_of(value: Manifest) -> str:
    """Return the kind of an object, and its name but for what chance added."""
    metadata = value["metadata"]
    return f"{value['kind']} {metadata.get('generateName') or metadata['name']}"


def _described(value: Manifest) -> Json:
    status = status_of(value)
    conditions = [
        " ".join(c.get(key, "") for key in ("type", "status", "reason"))
        for c in map(strings, mappings(status.get("conditions")))
        if c.get("type") not in _OF_KUBELETS
    ]
    told: Json = {"going": is_terminating(value), "conditions": sorted(conditions)}
    match value["kind"]:
        case "MPIJob":
            counts = mapping(status.get("replicaStatuses"))
            told["counts"] = {role: _counts(mapping(c)) for role, c in counts.items()}
            told["times"] = [time for time in _TIMES if status.get(time)]
            seen = status.get("observedGeneration")
            told["looked"] = seen == value["metadata"].get("generation")
        case "Pod":
            told["phase"], told["ready"] = status.get("phase"), is_true(value, "Ready")
            told["reason"] = status.get("reason", "")
        case "Job":
            told["suspend"] = spec_of(value).get("suspend") is True
            told["counts"] = _counts(status)
        case "ConfigMap":
            told["data"] = value["data"]
        case _:
            pass
    return told


_TIMES: Final = ("startTime", "completionTime")
_OF_KUBELETS: Final = frozenset(("Ready", "ContainersReady", "PodScheduled"))


def _counts(status: Manifest) -> Json:
    fields = ("active", "succeeded", "failed")
    return {key: number for key in fields if (number := count(status.get(key)))}


# --- In memory ------------------------------------------------------------------------


class Foretold(Life):
    """A job's life in memory, one step after the other, each to its rest."""

    def __init__(self, job: Manifest, namespace: str) -> None:
        metadata = {**job["metadata"], "namespace": namespace}
        script = Script(habits=Habits(launcher_seconds=None))
        self.made, self.gone = Things(), Things()
        self._there: dict[Any, tuple[str, str]] = {}
        super().__init__({**job, "metadata": metadata}, script, Surroundings(), START)
        self._changed()
        self.play()

    def take(self, step: str) -> None:
        """Let something befall the job, and see what comes of it."""
        STEPS[step].foretold(self.cluster, self.job)
        self._changed()
        self.play()

    def _changed(self) -> None:
        super()._changed()
        now = {
            ref: (str(value["metadata"]["uid"]), key_of(value))
            for ref, value in self.cluster.objects.items()
        }
        before = self._there
        for ref, known in before.items():
            self.gone[known[1]] += now.get(ref) != known
        for ref, known in now.items():
            self.made[known[1]] += before.get(ref) != known
        self._there = now

    def described(self) -> Json:
        """Return what is compared."""
        return described(self.cluster.objects.values())
