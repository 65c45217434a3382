# SPDX-License-Identifier: Apache-2.0
"""The CRD in a real API server: taken, and of the same mind as offline (B1.6).

Each test has a namespace of its own. Nothing reconciles: only the API server speaks.
"""

import contextlib
import copy
import functools
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import mpijob_crd
from tests.controlplane.cases import (
    ACCEPTED,
    CHANGES,
    CORPUS,
    REFUSED,
    corpus_job,
    job,
    named,
    policy,
    with_role,
    without,
)
from tests.controlplane.client import TABLE, Client
from tests.controlplane.harness import ControlPlane, wait_until
from tests.controlplane.offline import SCHEMA, refusals

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD: Final = f"{CRDS}/mpijobs.kubeflow.org"
NUMBERS: Final = itertools.count(1)

# A CRD is served within a second of its coming; this is far from both.
SERVED_S: Final = 30

Json = dict[str, Any]


def crd() -> Json:
    loaded: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    return loaded


def is_established(client: Client) -> bool:
    status = client.get(CRD).expect(200)["status"]
    conditions: list[Json] = status.get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    with contextlib.closing(control_plane.client()) as client:
        client.create(CRDS, crd()).expect(201, 409)
        wait_until(lambda: is_established(client), "the CRD is established", SERVED_S)
        path = "/apis/kubeflow.org/v2beta1/mpijobs"
        wait_until(lambda: client.get(path).code == 200, "they are served", SERVED_S)
        yield client


@pytest.fixture
def jobs(client: Client) -> str:
    """The path of MPIJobs in a namespace that has none."""
    name = f"crd-{next(NUMBERS)}"
    client.create("/api/v1/namespaces", {"metadata": {"name": name}}).expect(201)
    return f"/apis/kubeflow.org/v2beta1/namespaces/{name}/mpijobs"


def elsewhere(manifest: Json) -> Json:
    """Return the manifest without the namespace that it names."""
    found = copy.deepcopy(manifest)
    found["metadata"].pop("namespace", None)
    return found


@pytest.mark.rule("B1.6")
def test_kubectl_apply_takes_the_crd(
    control_plane: ControlPlane, client: Client
) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:  # test_kubectl_apply_has_room_for_it measures the size.
        pytest.skip("no kubectl here")
    config = control_plane.kubeconfig()
    command = [kubectl, f"--kubeconfig={config}", "apply", "--filename=-"]
    done = subprocess.run(
        command, input=mpijob_crd.text(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # What it applied is in the annotation now, whole.
    client.apply(CRD, crd(), "test").expect(200)
    annotations = client.get(CRD).expect(200)["metadata"]["annotations"]
    (applied,) = annotations.values()
    assert json.loads(applied)["spec"]["names"] == crd()["spec"]["names"]


@pytest.mark.rule("B1.6")
def test_the_api_server_finds_no_fault_with_the_schema(client: Client) -> None:
    conditions = client.get(CRD).expect(200)["status"]["conditions"]
    said = {c["type"]: c["status"] for c in conditions}
    assert "NonStructuralSchema" not in said
    assert said == {"Established": "True", "NamesAccepted": "True"}


# --- One verdict, offline and here --------------------------------------------


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.parent.name)
@pytest.mark.rule("B1.5", "B1.6")
def test_the_corpus_gets_the_same_verdict(
    path: Path, client: Client, jobs: str
) -> None:
    manifest = elsewhere(corpus_job(path))
    answer = client.create(jobs, manifest, dryRun="All")
    refused = bool(refusals(manifest))
    assert answer.code == (422 if refused else 201), answer.body


@pytest.mark.parametrize("manifest", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.rule("B1.3", "B1.5")
def test_what_is_accepted_offline_is_created(
    manifest: Json, client: Client, jobs: str
) -> None:
    client.create(jobs, manifest).expect(201)


@pytest.mark.parametrize(("manifest", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_is_refused_offline_is_refused(
    manifest: Json, words: str, client: Client, jobs: str
) -> None:
    answer = client.create(jobs, manifest)
    assert answer.code == 422, answer.body
    # A fieldPath into a map comes back with a dot before its brackets.
    assert words in "\n".join(answer.causes).replace(".[Launcher]", ".Launcher")


# What a job that is refused becomes is tried with the old jobs below.
POSSIBLE: Final = {key: c for key, c in CHANGES.items() if not refusals(c[0])}


@pytest.mark.parametrize(("old", "new", "words"), POSSIBLE.values(), ids=POSSIBLE)
@pytest.mark.rule("B1.5", "B1.6")
def test_what_may_change(
    old: Json, new: Json, words: str, client: Client, jobs: str
) -> None:
    path = f"{jobs}/{old['metadata']['name']}"
    version = client.create(jobs, old).expect(201)["metadata"]["resourceVersion"]
    metadata = {**new["metadata"], "resourceVersion": version}
    answer = client.replace(path, {**new, "metadata": metadata})
    assert answer.code == (422 if words else 200), answer.body
    assert words in "\n".join(answer.causes)


# --- What is stored ------------------------------------------------------------


TAKEN: Final = [path for path in CORPUS if not refusals(corpus_job(path))]


@pytest.mark.parametrize("path", TAKEN, ids=lambda p: p.parent.name)
@pytest.mark.rule("B1.4", "B1.6")
def test_a_template_is_stored_as_it_was_written(
    path: Path, client: Client, jobs: str
) -> None:
    manifest = elsewhere(corpus_job(path))
    stored = client.create(jobs, manifest).expect(201)
    expected: Any = SCHEMA.with_defaults(manifest)
    if SCHEMA.warnings_of(manifest):  # Fields that it does not know go.
        assert path.parent.name == "future-pod-fields"
        assert "future" not in json.dumps(stored["spec"])
    else:
        assert stored["spec"] == expected["spec"]


@pytest.mark.rule("B1.4")
def test_protocol_is_all_that_a_template_gains(client: Client, jobs: str) -> None:
    manifest = job()
    container = manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"][
        "containers"
    ][0]
    container |= {
        "ports": [{"containerPort": 22}],
        "livenessProbe": {"grpc": {"port": 1}},
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}],
    }
    stored = client.create(jobs, manifest).expect(201)
    expected = copy.deepcopy(
        manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    )
    expected["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    assert stored["spec"]["mpiReplicaSpecs"]["Launcher"]["template"] == expected


# --- What a CRD can do for its users -------------------------------------------


@pytest.mark.rule("B1.6")
def test_two_managers_share_the_lists_of_a_template(client: Client, jobs: str) -> None:
    client.apply(f"{jobs}/pi", job(), "one").expect(201)
    container = {"name": "main", "env": [{"name": "A", "value": "1"}]}
    template: Json = {
        "metadata": {"labels": {"team": "b"}},
        "spec": {"containers": [container], "nodeSelector": {"zone": "a"}},
    }
    second = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {"mpiReplicaSpecs": {"Launcher": {"template": template}}},
    }
    merged = client.apply(f"{jobs}/pi", second, "two").expect(200)
    found = merged["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    assert found["metadata"]["labels"] == {"team": "b"}
    assert found["spec"]["containers"] == [{"image": "example/mpi:1", **container}]
    # A node selector is one value: the second manager's takes the place of the first.
    template["spec"]["nodeSelector"] = {"disk": "ssd"}
    changed = client.apply(f"{jobs}/pi", second, "three").expect(200)
    found = changed["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    assert found["spec"]["nodeSelector"] == {"disk": "ssd"}


@pytest.mark.rule("B1.6")
def test_scale_acts_on_the_workers(client: Client, jobs: str) -> None:
    created = client.create(jobs, job()).expect(201)
    counts = {"Worker": {"active": 2, "selector": "training.kubeflow.org/job-name=pi"}}
    client.replace(
        f"{jobs}/pi/status", {**created, "status": {"replicaStatuses": counts}}
    ).expect(200)
    scale = client.get(f"{jobs}/pi/scale").expect(200)
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 2, "selector": counts["Worker"]["selector"]}
    client.merge(f"{jobs}/pi/scale", {"spec": {"replicas": 5}}).expect(200)
    specs = client.get(f"{jobs}/pi").expect(200)["spec"]["mpiReplicaSpecs"]
    assert {role: specs[role]["replicas"] for role in specs} == {
        "Launcher": 1,
        "Worker": 5,
    }
    answer = client.merge(f"{jobs}/pi/scale", {"spec": {"replicas": 0}})
    assert answer.code == 422


@pytest.mark.rule("B1.6")
def test_a_job_without_workers_cannot_be_scaled(client: Client, jobs: str) -> None:
    client.create(jobs, without("Worker")).expect(201)
    answer = client.merge(f"{jobs}/pi/scale", {"spec": {"replicas": 5}})
    assert answer.code >= 400


@pytest.mark.rule("B1.6")
def test_the_columns_that_kubectl_prints(client: Client, jobs: str) -> None:
    created = client.create(jobs, job()).expect(201)
    started = "2030-01-01T00:00:00Z"
    conditions = [
        {"type": "Created", "status": "True", "reason": "MPIJobCreated"},
        {"type": "Running", "status": "False", "reason": "MPIJobNotRunning"},
        {"type": "Succeeded", "status": "True", "reason": "MPIJobSucceeded"},
    ]
    status = {"completionTime": started, "conditions": conditions}
    client.replace(f"{jobs}/pi/status", {**created, "status": status}).expect(200)
    table = client.get(jobs, accept=TABLE).expect(200)
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "State", "Workers", "Completed", "Age"]
    (row,) = table["rows"]
    assert row["cells"][:3] == ["pi", "MPIJobSucceeded", 2]


@pytest.mark.rule("B1.2")
def test_a_status_keeps_what_the_operator_writes(client: Client, jobs: str) -> None:
    created = client.create(jobs, job()).expect(201)
    time_ = "2030-01-01T00:00:00Z"
    condition = {
        "type": "Blocked",
        "status": "True",
        "reason": "ErrResourceExists",
        "message": "Service pi is another's.",
        "lastUpdateTime": time_,
        "lastTransitionTime": time_,
    }
    count = {"active": 1, "succeeded": 0, "failed": 2, "selector": "a=b"}
    status = {
        "observedGeneration": 1,
        "startTime": time_,
        "completionTime": time_,
        "conditions": [condition],
        "replicaStatuses": {"Launcher": count, "Worker": count},
    }
    answer = client.replace(f"{jobs}/pi/status", {**created, "status": status})
    assert answer.expect(200)["status"] == status


# --- Jobs that were there before the rules -------------------------------------

OLD: Final[dict[str, Json]] = {
    "a launcher that always restarts": with_role("Launcher", restartPolicy="Always"),
    "no worker replica": with_role("Worker", replicas=0),
    "a name too long": named("a" * 60),
    "a digit first": named("3d"),
    "an unknown manager": policy(managedBy="example.com/other"),
    "another replica type": with_role("Master", template={"spec": {"containers": []}}),
    "an empty template": with_role("Worker", template={}),
    "a negative backoff": policy(backoffLimit=-1),
    "a relative path": job(sshAuthMountPath=".ssh"),
    "no replica specs": job(mpiReplicaSpecs=None),
    "no spec": {**job(), "spec": None},
}


def old_name(number: int, manifest: Json) -> str:
    name: str = manifest["metadata"]["name"]
    return f"pi-{number}" if name == "pi" else name


def is_stored(client: Client, path: str, manifest: Json) -> bool:
    return client.create(path, manifest).code == 201


@pytest.fixture(scope="module")
def old_jobs(client: Client) -> str:
    """The path of jobs that were stored while the CRD had no rules."""
    lax = crd()
    (version,) = lax["spec"]["versions"]
    version["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    put(client, lax)
    client.create("/api/v1/namespaces", {"metadata": {"name": "old"}}).expect(201)
    path = "/apis/kubeflow.org/v2beta1/namespaces/old/mpijobs"
    try:
        for number, manifest in enumerate(OLD.values()):
            name = old_name(number, manifest)
            # The new schema is not in force the moment that the CRD is written.
            written = {**manifest, "metadata": {"name": name}}
            stored = functools.partial(is_stored, client, path, written)
            wait_until(stored, f"{name} is stored", SERVED_S)
    finally:
        put(client, crd())
    probe = REFUSED["a negative backoff"][0]
    wait_until(
        lambda: client.create(path, probe, dryRun="All").code == 422,
        "the rules are back",
        SERVED_S,
    )
    # The new schema is served by each of the server's handlers a moment later.
    time.sleep(1)
    return path


def put(client: Client, changed: Json) -> None:
    stored = client.get(CRD).expect(200)
    stored["spec"] = changed["spec"]
    client.replace(CRD, stored).expect(200)


@pytest.mark.parametrize("number", range(len(OLD)), ids=list(OLD))
@pytest.mark.rule("B1.6")
def test_an_old_job_that_the_rules_refuse_still_gets_a_status(
    number: int, client: Client, old_jobs: str
) -> None:
    manifest = list(OLD.values())[number]
    assert refusals(manifest)
    path = f"{old_jobs}/{old_name(number, manifest)}"
    stored = client.get(path).expect(200)
    status = {"conditions": [{"type": "Failed", "status": "True"}]}
    written = client.replace(f"{path}/status", {**stored, "status": status}).expect(200)
    assert written["status"] == status
    # Finalizers and labels too: Kueue and the garbage collector write them.
    labels = {"metadata": {"labels": {"a": "b"}}}
    client.merge(path, labels).expect(200)
