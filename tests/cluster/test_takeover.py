# SPDX-License-Identifier: Apache-2.0
"""Taking a cluster over from mpi-operator v0.8.2, and giving it back.

The objects are those that mpi-operator made (tests/corpus), put into a real API server
as they were: its labels, its owner references, its field manager. No other controller
runs, so whatever changes we did.
"""

import contextlib
import copy
import json
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml
from attrs import frozen

import mpijob_crd
from tests.controlplane.client import Client
from tests.controlplane.fixtures import Cluster, still_cluster
from tests.controlplane.harness import wait_until
from tests.controlplane.stage import CRDS, Json, Stage

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

CORPUS: Final = Path(__file__).parents[1] / "corpus"
UPSTREAM: Final = {"fieldManager": "mpi-operator"}
OPERATOR: Final = "training.kubeflow.org/operator-name"
JOB_NAME: Final = "training.kubeflow.org/job-name"
PATHS: Final = {
    "ConfigMap": "configmaps",
    "Job": "jobs",
    "Pod": "pods",
    "Secret": "secrets",
    "Service": "services",
}
ORDER: Final = ("Service", "ConfigMap", "Secret", "Job", "Pod")
# What the API server writes itself, or will not have from anybody.
SERVERS: Final = ("uid", "resourceVersion", "creationTimestamp", "generation")
GENERATED: Final = "controller-uid"


@frozen
class Moment:
    """A job of the corpus, as mpi-operator had it at a step of its life."""

    case: str
    step: int

    @property
    def given(self) -> Json:
        steps = json.loads((CORPUS / self.case / "steps.json").read_text())["steps"]
        given: Json = copy.deepcopy(steps[self.step]["given"])
        return given


CREATED: Final = Moment("life-drift", 1)
RUNNING: Final = Moment("life-drift", 3)
SUSPENDED: Final = Moment("life-suspended-resumed", 1)
RESUMED: Final = Moment("life-suspended-resumed", 4)
FINISHED: Final = Moment("life-success-clean-running", 4)
UNSEEN: Final = Moment("life-finished-unobserved", 1)
WAITING: Final = Moment("life-wait-for-workers", 1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server where nobody but the operator acts."""
    with still_cluster(tmp_path_factory.mktemp("takeover")) as still:
        yield still


def put(stage: Stage, moment: Moment, *, without: tuple[str, ...] = ()) -> str:
    """Put a job and its children into the cluster; return its name."""
    given = moment.given
    job = given["mpijob"]
    name: str = job["metadata"]["name"]
    uids = {job["metadata"]["uid"]: _create(stage, job, "mpijobs", {})}
    children: Mapping[str, Json] = given["children"]
    for child in sorted(children.values(), key=lambda c: ORDER.index(c["kind"])):
        if child["metadata"]["name"] not in without:
            old = child["metadata"].get("uid", "")
            uids[old] = _create(stage, child, PATHS[child["kind"]], uids)
    return name


def _create(stage: Stage, value: Json, kind: str, uids: Mapping[str, str]) -> str:
    """Create an object as mpi-operator did, and its status; return its uid."""
    metadata = {k: v for k, v in value["metadata"].items() if k not in SERVERS}
    metadata["namespace"] = stage.namespace
    metadata.pop("finalizers", None)
    for owner in metadata.get("ownerReferences", []):
        owner["uid"] = uids[owner["uid"]]
    body = {k: v for k, v in value.items() if k != "status"}
    body["metadata"] = metadata
    if kind == "jobs":
        body["spec"].pop("selector", None)  # The API server makes its own.
        labels = body["spec"]["template"]["metadata"]["labels"]
        for key in [key for key in labels if "controller-uid" in key]:
            del labels[key]
        body["spec"]["template"]["metadata"].pop("ownerReferences", None)
    if kind == "services":
        body["spec"].pop("clusterIPs", None)
    made = stage.client.create(stage.path(kind), body, **UPSTREAM).expect(201)
    if "status" in value:
        live = {**made, "status": value["status"]}
        path = f"{stage.path(kind, metadata['name'])}/status"
        stage.client.replace(path, live, **UPSTREAM).expect(200)
    uid: str = made["metadata"]["uid"]
    return uid


def pods(stage: Stage) -> dict[str, str]:
    """Return the uid of each pod that is to stay."""
    return {
        name: pod["metadata"]["uid"]
        for name, pod in stage.all("pods").items()
        if "deletionTimestamp" not in pod["metadata"]
    }


def taken_over(stage: Stage, **flags: str) -> None:
    """Start our operator, and wait until it has nothing left to do."""
    stage.operator(**flags).start()
    stage.wait_quiet()


def assert_labelled(stage: Stage, name: str) -> None:
    for kind in PATHS.values():
        for child in stage.all(kind).values():
            labels = child["metadata"]["labels"]
            assert labels[OPERATOR] == "mpi-operator", child["metadata"]["name"]
            assert labels[JOB_NAME] == name


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize("moment", [CREATED, RUNNING, RESUMED, WAITING])
def test_a_job_that_is_under_way_goes_on(stage: Stage, moment: Moment) -> None:
    name = put(stage, moment)
    before, told = pods(stage), stage.status(name)
    taken_over(stage)
    assert pods(stage) == before
    after = stage.status(name)
    assert after.get("startTime") == told.get("startTime")
    assert_labelled(stage, name)
    running = {c["type"]: c["status"] for c in after["conditions"]}.get("Running")
    all_run = moment in (RUNNING, RESUMED)
    assert running == ("True" if all_run else None)


@pytest.mark.rule("B8.1", "B4.3")
def test_a_job_that_has_ended_stays_as_it_was(stage: Stage) -> None:
    name = put(stage, FINISHED)
    before, told = pods(stage), stage.status(name)
    taken_over(stage)
    assert pods(stage) == before
    after = stage.status(name)
    for key in ("startTime", "completionTime"):
        assert after[key] == told[key]
    assert stage.condition(name, "Succeeded")["status"] == "True"
    assert "Blocked" not in {c["type"] for c in after["conditions"]}


@pytest.mark.rule("B4.2", "B5.2")
def test_a_result_that_nobody_wrote_down_is_written(stage: Stage) -> None:
    name = put(stage, UNSEEN)
    taken_over(stage)
    assert stage.condition(name, "Succeeded")["status"] == "True"
    assert stage.condition(name, "Running")["status"] == "False"


@pytest.mark.rule("B6.1")
def test_a_suspended_job_lets_its_launcher_job_go(stage: Stage) -> None:
    """Upstream keeps a suspended launcher Job; ours makes it anew at the resume."""
    name = put(stage, SUSPENDED)
    taken_over(stage)
    job = stage.get("jobs", f"{name}-launcher")
    # Nobody is here to end a foreground deletion.
    assert job is None or "deletionTimestamp" in job["metadata"]
    assert stage.condition(name, "Suspended")["status"] == "True"


@pytest.mark.rule("B8.1", "B8.7")
@pytest.mark.parametrize("missing", ["worker-1", "launcher", "config", "ssh", ""])
def test_what_is_missing_is_made_and_nothing_else(stage: Stage, missing: str) -> None:
    name = CREATED.given["mpijob"]["metadata"]["name"]
    absent = f"{name}-{missing}" if missing else name
    without = (absent, f"{absent}-aaaaa") if missing == "launcher" else (absent,)
    put(stage, CREATED, without=without)
    before = {kind: stage.all(kind) for kind in PATHS.values()}
    taken_over(stage)
    for kind, known in before.items():
        now = stage.all(kind)
        for child, value in known.items():
            assert now[child]["metadata"]["uid"] == value["metadata"]["uid"]
        assert set(now) - set(known) <= {absent}
    assert any(absent in stage.all(kind) for kind in PATHS.values())
    assert_labelled(stage, name)


def test_with_upstreams_crd_it_works_and_says_what_to_do(stage: Stage) -> None:
    """Upstream's declares no observedGeneration: a status that has it is pruned."""
    with other_crd(stage.client):
        name = put(stage, RUNNING)
        before = pods(stage)
        taken_over(stage)
        assert pods(stage) == before
        assert "observedGeneration" not in stage.status(name)
        log = "\n".join(p.read_text() for p in stage.folder.glob("*/operator.log"))
        assert "mpijob crd | kubectl apply" in log


@contextlib.contextmanager
def other_crd(client: Client) -> Generator[None]:
    """A CRD that lacks, as upstream's does, what we add to the status."""
    ours: Json = yaml.load(mpijob_crd.text(), yaml.CSafeLoader)
    older = copy.deepcopy(ours)
    for version in older["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        del schema["properties"]["status"]["properties"]["observedGeneration"]
    path = f"{CRDS}/{ours['metadata']['name']}"
    try:
        _apply(client, path, older)
        yield
    finally:
        _apply(client, path, ours)


def _apply(client: Client, path: str, crd: Json) -> None:
    live = client.get(path).expect(200)
    body = {**crd, "metadata": {**crd["metadata"]}}
    body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    client.replace(path, body).expect(200)
    # It is served a moment later; nothing tells when.
    wait_until(lambda: _established(client, path), "the CRD is served")


def _established(client: Client, path: str) -> bool:
    crd = client.get(path).expect(200)
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    return conditions.get("Established") == "True"


@pytest.mark.parametrize("moment", [RUNNING, FINISHED, RESUMED])
def test_what_we_write_mpi_operator_can_read(stage: Stage, moment: Moment) -> None:
    """Going back: names, owners and labels are upstream's, and so is the status."""
    name = put(stage, moment)
    job = stage.job(name)
    taken_over(stage)
    for kind in PATHS.values():
        for child in stage.all(kind).values():
            owner = child["metadata"]["ownerReferences"][0]
            if owner["kind"] == "MPIJob":
                assert (owner["uid"], owner["controller"]) == (
                    job["metadata"]["uid"],
                    True,
                )
    status = stage.status(name)
    known = {
        "conditions",
        "replicaStatuses",
        "startTime",
        "completionTime",
        "observedGeneration",
    }
    assert status.keys() <= known
    types = {c["type"] for c in status["conditions"]}
    assert types <= {"Created", "Running", "Suspended", "Succeeded", "Failed"}
