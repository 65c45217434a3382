# SPDX-License-Identifier: Apache-2.0
"""What a person may do to a job and its cluster, each deed with what it says of itself.

A deed that finds nothing to do says so and is no mistake: a script cannot know what a
cluster will hold by then.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from mpijob import names
from mpijob.loose import NOTHING, Manifest, mapping, sequence
from mpijob.names import Ref
from mpijob_operator.field_path import Path, path_text
from mpijob_operator.simulation import nodes
from mpijob_operator.simulation.cluster import Cluster, is_over, is_terminating
from mpijob_operator.simulation.deeds import placed, status_of

UserDeed = Callable[[Cluster, Ref], str]
"""Does something, given the cluster and where the MPIJob is; returns what it did."""

_REPLICAS: Final = ("spec", "mpiReplicaSpecs", "Worker", "replicas")
_SUSPEND: Final = ("spec", "runPolicy", "suspend")

NO_JOB: Final = "finds no MPIJob any more"


def edit(cluster: Cluster, job: Ref, *, path: Path, value: object) -> str:
    """Set one field of the MPIJob."""
    if job not in cluster.objects:
        return NO_JOB
    after = _with_field(cluster.objects[job], path, value)
    if after is None:
        return f"finds nothing to set at {path_text(path)}"
    what = f"sets {path_text(path)} to {_shown(value)}"
    if no := cluster.refusal(job, after, cluster.objects[job]):
        return f"is refused: {what} ({no.reason}: {no.message})"
    cluster.update(job, after)
    return what


def _with_field(value: Any, path: Path, new: object) -> Any:  # noqa: ANN401 - JSON.
    """Return a value with a field set, None where there is no such place."""
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        entries = sequence(value)
        if key >= len(entries):
            return None
        inner = _with_field(entries[key], rest, new) if rest else new
        return None if inner is None else [*entries[:key], inner, *entries[key + 1 :]]
    known = mapping(value)
    if value is not None and value != known:
        return None
    inner = _with_field(known.get(key), rest, new) if rest else new
    return None if inner is None else {**known, key: inner}


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def suspend(cluster: Cluster, job: Ref) -> str:
    """Suspend the MPIJob."""
    return edit(cluster, job, path=_SUSPEND, value=True)


def resume(cluster: Cluster, job: Ref) -> str:
    """Let the MPIJob go on."""
    return edit(cluster, job, path=_SUSPEND, value=False)


def scale(cluster: Cluster, job: Ref, *, replicas: int) -> str:
    """Ask for so many workers."""
    return edit(cluster, job, path=_REPLICAS, value=replicas)


def delete(cluster: Cluster, job: Ref) -> str:
    """Delete the MPIJob, as kubectl does."""
    if job not in cluster.objects:
        return NO_JOB
    cluster.delete(job, "Background")
    return f"deletes MPIJob {job.name}"


def delete_worker(cluster: Cluster, job: Ref, *, index: int) -> str:
    """Delete a worker pod."""
    return _delete(cluster, worker(job, index))


def delete_launcher(cluster: Cluster, job: Ref) -> str:
    """Delete the launcher Job, and its pods with it."""
    return _delete(cluster, launcher(job))


def suspend_launcher(cluster: Cluster, job: Ref) -> str:
    """Suspend the launcher Job alone, as a queue does that takes it for its own."""
    ref = launcher(job)
    if ref not in cluster.objects:
        return f"finds no {ref.kind} {ref.name}"
    cluster.update(ref, placed(cluster.objects[ref], "spec.suspend", new=True))
    return f"suspends {ref.kind} {ref.name}"


def _delete(cluster: Cluster, ref: Ref) -> str:
    if ref not in cluster.objects:
        return f"finds no {ref.kind} {ref.name}"
    cluster.delete(ref, "Background")
    return f"deletes {ref.kind} {ref.name}"


def evict_worker(cluster: Cluster, job: Ref, *, index: int) -> str:
    """Take a worker from its node: out of memory, a disk that is full."""
    ref = worker(job, index)
    if not _lives(cluster, ref):
        return f"finds no {ref.name} that lives"
    nodes.evict(cluster, ref=ref)
    return f"evicts {ref.name}"


def preempt_worker(cluster: Cluster, job: Ref, *, index: int) -> str:
    """Take a worker from its node for the sake of a weightier pod."""
    ref = worker(job, index)
    if not _lives(cluster, ref):
        return f"finds no {ref.name} that lives"
    nodes.preempt(cluster, ref=ref)
    return f"preempts {ref.name}"


def fail_worker(cluster: Cluster, job: Ref, *, index: int, code: int) -> str:
    """End a worker's program with an exit code."""
    return _exit(cluster, worker(job, index), code)


def exit_launcher(cluster: Cluster, job: Ref, *, code: int) -> str:
    """End the launcher's program with an exit code."""
    role = {names.JOB_NAME_LABEL: job.name, names.JOB_ROLE_LABEL: "launcher"}
    for ref, pod in cluster.all("Pod"):
        labels = mapping(pod["metadata"].get("labels"))
        if role.items() <= labels.items() and _lives(cluster, ref):
            return _exit(cluster, ref, code)
    return "finds no launcher pod that lives"


def _exit(cluster: Cluster, ref: Ref, code: int) -> str:
    pod = cluster.objects.get(ref)
    if pod is None or status_of(pod).get("phase") != "Running" or is_terminating(pod):
        return f"finds no {ref.name} that runs"
    nodes.exit_with(cluster, ref=ref, code=code)
    return f"{ref.name} exits {code}"


def _lives(cluster: Cluster, ref: Ref) -> bool:
    pod = cluster.objects.get(ref)
    return pod is not None and not is_over(pod) and not is_terminating(pod)


def refuse(cluster: Cluster, _: Ref, *, kind: str, words: str) -> str:
    """Let admission refuse every new object of a kind."""
    cluster.refusing = {**cluster.refusing, kind: words}
    return f"refuses every new {kind}: {words}"


def admit(cluster: Cluster, _: Ref, *, kind: str) -> str:
    """Let admission take a kind again."""
    cluster.refusing = {k: w for k, w in cluster.refusing.items() if k != kind}
    return f"admits new objects of kind {kind} again"


def occupy(cluster: Cluster, job: Ref, *, kind: str, name: str) -> str:
    """Put an object of somebody else's where one of the job's would be."""
    ref = Ref(_API_VERSIONS.get(kind, "v1"), kind, job.namespace, name)
    if ref in cluster.objects:
        return f"finds a {kind} {name} there already"
    cluster.create(_bystander(ref))
    return f"makes a {kind} {name} of somebody else's"


def vacate(cluster: Cluster, job: Ref, *, kind: str, name: str) -> str:
    """Delete an object by its kind and name, whoever's it is."""
    ref = Ref(_API_VERSIONS.get(kind, "v1"), kind, job.namespace, name)
    return _delete(cluster, ref)


_API_VERSIONS: Final = {"Job": "batch/v1"}


def _bystander(ref: Ref) -> Manifest:
    """Return an object that is there and does nothing."""
    metadata = {"name": ref.name, "namespace": ref.namespace}
    base = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}
    return {**base, **_IDLE.get(ref.kind, NOTHING)}


# It is of no image, so that nothing of it runs; a Job makes no pod of it.
_POD: Final = {
    "containers": [{"name": "main", "image": "none"}],
    "restartPolicy": "Never",
}
_IDLE: Final[Mapping[str, Manifest]] = {
    "Job": {"spec": {"suspend": True, "template": {"spec": _POD}}},
    "Pod": {"spec": _POD},
    "Service": {"spec": {"clusterIP": "None"}},
}


def worker(job: Ref, index: int) -> Ref:
    """Return where a worker pod of a job is."""
    return Ref("v1", "Pod", job.namespace, f"{job.name}-worker-{index}")


def launcher(job: Ref) -> Ref:
    """Return where the launcher Job of a job is."""
    return Ref("batch/v1", "Job", job.namespace, f"{job.name}-launcher")
