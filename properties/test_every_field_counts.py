# SPDX-License-Identifier: Apache-2.0
"""Every field that a user can write shows in the answer, or is told here not to.

The fields are those of the CRD's schema, so that a new one cannot be forgotten.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import strategies as st

import mpijob_crd
from mpijob import Create, World
from mpijob.loose import mapping
from mpijob.names import TEMPLATE_HASH
from properties import tally
from properties.canonical import canonical, text_of
from properties.laws import law, sometimes
from properties.sights import POD_STATES
from properties.small_cluster import SmallCluster
from properties.strategies import (
    GANG,
    LAUNCHER_EDITS,
    WORKER_EDITS,
    Edit,
    Json,
    Question,
    edited,
    plain_job,
    stamp,
)

# --- The spec, but for the templates --------------------------------------------

# Two values of a field, between which the answer must differ.
VALUES: Final[Mapping[str, tuple[object, object]]] = {
    "slotsPerWorker": (1, 2),
    "runLauncherAsWorker": (False, True),
    "sshAuthMountPath": ("/root/.ssh", "/home/mpi/.ssh"),
    "launcherCreationPolicy": ("AtStartup", "WaitForWorkersReady"),
    "mpiImplementation": ("OpenMPI", "Intel"),
    "mpiReplicaSpecs.Launcher.replicas": (1, 2),
    "mpiReplicaSpecs.Launcher.restartPolicy": ("OnFailure", "Never"),
    "mpiReplicaSpecs.Worker.replicas": (1, 2),
    "mpiReplicaSpecs.Worker.restartPolicy": ("Never", "OnFailure"),
    "runPolicy.activeDeadlineSeconds": (10, 10_000),
    "runPolicy.backoffLimit": (0, 9),
    "runPolicy.cleanPodPolicy": ("None", "All"),
    "runPolicy.managedBy": ("kubeflow.org/mpi-operator", "kueue.x-k8s.io/multikueue"),
    "runPolicy.suspend": (False, True),
    "runPolicy.ttlSecondsAfterFinished": (0, 10_000),
    "runPolicy.schedulingPolicy.minAvailable": (1, 2),
    "runPolicy.schedulingPolicy.minResources": ({"cpu": "1"}, {"cpu": "2"}),
    "runPolicy.schedulingPolicy.priorityClass": ("low", "high"),
    "runPolicy.schedulingPolicy.queue": ("a", "b"),
    "runPolicy.schedulingPolicy.scheduleTimeoutSeconds": (1, 2),
}

# Fields of the spec of which the answer does not depend, each with its reason.
NOT_MAPPED: Final[Mapping[str, str]] = {}


def leaves(schema: Json, path: str = "") -> Iterator[str]:
    """Yield the fields of the spec that hold a value; not those of a template."""
    fields = dict(mapping(schema.get("properties")))
    if path == "mpiReplicaSpecs":
        role: Json = schema["additionalProperties"]
        fields = {"Launcher": role, "Worker": role}
    for key, inner in fields.items():
        at = f"{path}.{key}" if path else key
        if key == "template":
            continue
        if mapping(inner.get("properties")) or key == "mpiReplicaSpecs":
            yield from leaves(inner, at)
        else:
            yield at


def fresh(manifest: Json) -> Question:
    """Ask about a job that was made just now."""
    return Question(manifest)


def with_gang(scheduler: str) -> Callable[[Json], Question]:
    """Ask about such a job under a gang scheduler."""
    return lambda manifest: Question(edited(manifest, [(GANG, scheduler)]))


def with_a_failure(manifest: Json) -> Question:
    """Ask about a job one worker of which failed for the second time."""
    life = SmallCluster(Question(manifest))
    life.settle(6)
    life.all_pods_run()
    life.settle(6)
    life.manifest["status"].setdefault("replicaStatuses", {})["Worker"] = {"failed": 1}
    life.pod_becomes((0, POD_STATES[11]))
    life.settle(1)
    return life.question


def ended(manifest: Json) -> Question:
    """Ask about a job that ended a minute ago, and whose pods are still there."""
    life = SmallCluster(Question(manifest))
    life.settle(6)
    life.all_pods_run()
    said = {"type": "Succeeded", "status": "True"}
    life.manifest["status"] = {"conditions": [said], "completionTime": stamp(-60)}
    return life.question


SCENES: Final = (
    fresh,
    with_gang("volcano"),
    with_gang("sched"),
    with_a_failure,
    ended,
)


@pytest.mark.rule("B1.1")
def test_every_field_is_listed() -> None:
    """Every field of the spec is listed as one that shows, or as one that does not."""
    spec = mpijob_crd.schema()["properties"]["spec"]
    assert sorted(leaves(spec)) == sorted([*VALUES, *NOT_MAPPED])
    assert all(NOT_MAPPED.values()), "say why"


@pytest.mark.rule("B1.1")
@pytest.mark.parametrize("field", VALUES)
def test_every_field_shows(field: str) -> None:
    """A change of any field of the spec changes the answer in some situation."""
    one, other = (edited(plain_job(), [(f"spec.{field}", v)]) for v in VALUES[field])
    shown = [canonical(scene(one)) != canonical(scene(other)) for scene in SCENES]
    tally.keep(examples=1, stakes={"it shows": sum(shown)})
    assert any(shown), "ignored: list it under NOT_MAPPED, with the reason"


# --- The templates --------------------------------------------------------------

# What the operator sets itself, whatever a template says; or says nothing.
OVERRIDDEN: Final[Mapping[str, str]] = {
    "metadata.labels.kueue~x-k8s~io/queue-name": "Kueue would queue the pod (B2)",
    "metadata.labels.training~kubeflow~org/job-role": "the operator's labels win (B2)",
    "spec.restartPolicy": "the replica's restartPolicy decides (B2.6)",
    "spec.hostname": "host names are the pods' names (B2.1)",
    "spec.subdomain": "host names are under the job's Service (B2.1)",
}
_ANY_PODS: Final[tuple[tuple[str, Any], ...]] = (
    ("spec.hostname", "x"),
    ("spec.subdomain", "x"),
    ("spec.schedulerName", "x"),
    ("spec.tolerations", [{"operator": "Exists"}]),
    ("spec.terminationGracePeriodSeconds", 5),
    ("spec.aFieldOfTheFuture", {"x": [None]}),
    ("spec.containers.0.lifecycle", {"preStop": {"sleep": {"seconds": 5}}}),
    ("spec.containers.0.aFieldOfTheFuture", True),
    ("metadata.annotations.x", "y"),
    ("metadata.labels.x", "y"),
)
TEMPLATE_EDITS: Final[list[Edit]] = [
    *(e for e in (*LAUNCHER_EDITS, *WORKER_EDITS) if ".template." in e[0]),
    *(
        (f"spec.mpiReplicaSpecs.{role}.template.{path}", part)
        for role in ("Launcher", "Worker")
        for path, part in _ANY_PODS
    ),
]


@pytest.mark.rule("B1.4", "B2.6")
@law(
    st.sampled_from(TEMPLATE_EDITS),
    st.lists(st.sampled_from(TEMPLATE_EDITS), max_size=2),
    often=("it shows", "it is overridden"),
)
def test_every_field_of_a_template_shows(edit: Edit, others: list[Edit]) -> None:
    """What a template says is in the pods, but for what the operator must set."""
    path, part = edit
    told = path.partition(".template.")[2]
    base = edited(plain_job(), [each for each in others if each[0] != path])
    changed = edited(base, [(path, part)])
    same = changed == base or pods_of(changed) == pods_of(base)
    if sometimes("it is overridden", when=told in OVERRIDDEN):
        assert same
    elif part:  # An empty list says as much as none.
        assert not same
        sometimes("it shows")


def pods_of(manifest: Json) -> str:
    """Return the pods of a fresh job, but for the hash of their template."""
    question = evolve(Question(manifest), world=World(Question(manifest).world.now))
    made = [each for each in question.answer.desired if isinstance(each, Create)]
    return "\n".join(
        line
        for line in text_of([each.manifest for each in made]).splitlines()
        if TEMPLATE_HASH not in line
    )
