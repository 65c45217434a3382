# SPDX-License-Identifier: Apache-2.0
"""One job among many: the bad ones stop no other, and rest costs nothing (B8.4).

Nobody but the operator acts here: pods stay Pending.
"""

import asyncio
import functools
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from benchmarks.cluster import write_bare
from tests.controlplane.client import Client
from tests.controlplane.fixtures import Cluster, still_cluster
from tests.controlplane.harness import wait_until
from tests.controlplane.operator import Operator
from tests.controlplane.stage import CRDS, Json, Stage, install, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

JOBS: Final = 200
PODS: Final = 5_000
QUIET_S: Final = 60
PATIENCE_S: Final = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that takes anything for an MPIJob, as with some other CRD."""
    folder = tmp_path_factory.mktemp("neighbours")
    with still_cluster(folder, prepare=install_loosely) as still:
        yield still


def install_loosely(client: Client) -> None:
    install(client)
    path = f"{CRDS}/mpijobs.kubeflow.org"
    crd = client.get(path).expect(200)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    for version in crd["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": anything}
        version.get("subresources", {}).pop("scale", None)
    client.replace(path, crd).expect(200)

    def taken() -> bool:
        body = {"metadata": {"name": "loose"}, "spec": {"mpiReplicaSpecs": 5}}
        kind = {"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob"}
        path = "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs"
        return client.create(path, {**kind, **body}).code == 201

    wait_until(taken, "the API server takes anything")


@pytest.mark.rule("B8.4", "B1.7")
@pytest.mark.parametrize(
    "spec",
    [
        5,
        {"mpiReplicaSpecs": 5},
        {"mpiReplicaSpecs": {"Launcher": {"template": [1]}, "Worker": "two"}},
        {"runPolicy": {"suspend": "perhaps", "backoffLimit": []}},
    ],
)
def test_a_malformed_job_stops_no_other(stage: Stage, spec: object) -> None:
    bad = {**mpijob("bad"), "spec": spec}
    stage.submit(bad)
    stage.operator().start()
    stage.submit(mpijob("good"))
    stage.wait(lambda: stage.get("jobs", "good-launcher") is not None, "good goes on")
    stage.wait(lambda: stage.condition("bad", "Failed") != {}, "bad is told")
    assert stage.condition("bad", "Failed")["reason"] == "InvalidSpec"


# What Python runs before the operator: its core fails over one job.
BROKEN_CORE: Final = """
import mpijob

sound = mpijob.reconcile

def reconcile(job, *others):
    if job.name == "bad":
        raise ZeroDivisionError("a bug of ours")
    return sound(job, *others)

mpijob.reconcile = reconcile
"""


@pytest.mark.rule("B8.4")
def test_a_job_over_which_we_fail_stops_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.folder / "sitecustomize.py").write_text(BROKEN_CORE)
    path = (str(stage.folder), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    for name in ("bad", "good"):
        stage.submit(mpijob(name))
    operator = stage.operator()
    operator.start()
    stage.submit(mpijob("later"))
    for name in ("good", "later"):
        stage.wait(functools.partial(has_launcher, stage, name), f"{name} goes on")
    # It is told with its reason, and tried again after a long time.
    told = [e for e in operator.lines() if e["event"] == "cannot reconcile"]
    assert [each["job"].endswith("/bad") for each in told] == [True], told
    assert "a bug of ours" in str(told)
    assert "status" not in stage.job("bad")
    assert operator.ask("/healthz")[0] == 200


@pytest.mark.long
@pytest.mark.rule("B8.4", "B8.1")
def test_five_thousand_pods_that_bear_a_jobs_label_stop_nobody(stage: Stage) -> None:
    posts = [("POST", stage.path("pods"), stray(number)) for number in range(PODS)]
    asyncio.run(write_bare(stage.plane.kubeconfig(), posts))
    stage.operator().start()
    for name in ("crowded", "other"):
        stage.submit(mpijob(name))
    for name in ("other", "crowded"):
        stage.wait(
            functools.partial(has_launcher, stage, name),
            f"{name} goes on",
            PATIENCE_S,
        )
    assert stage.active("crowded") == {"Launcher": 1, "Worker": 2}


def has_launcher(stage: Stage, name: str) -> bool:
    return stage.get("jobs", f"{name}-launcher") is not None


def stray(number: int) -> Json:
    """Return somebody else's pod that says it belongs to a job of ours."""
    labels = {
        "training.kubeflow.org/operator-name": "mpi-operator",
        "training.kubeflow.org/job-name": "crowded",
    }
    container = {"name": "main", "image": "example/other:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"stray-{number}", "labels": labels},
        "spec": {"containers": [container]},
    }


@pytest.mark.long
def test_at_rest_nothing_is_asked_but_watches_and_the_lease(stage: Stage) -> None:
    jobs = (mpijob(f"job-{number}") for number in range(JOBS))
    posts = [("POST", stage.path("mpijobs"), job) for job in jobs]
    lead = {"leader_elect": "true", "lock_namespace": stage.namespace}
    operator = stage.operator(**lead)
    operator.start()
    asyncio.run(write_bare(stage.plane.kubeconfig(), posts))
    stage.wait(lambda: len(stage.all("jobs")) == JOBS, "all are there", PATIENCE_S)
    time.sleep(5)
    before = requests(operator)
    time.sleep(QUIET_S)
    spent = requests(operator) - before
    assert {kind for verb, kind in spent if verb != "watch"} == {"Lease"}
    # Two seconds, a little at random, lie between two renewals.
    assert spent.total() < QUIET_S


def requests(operator: Operator) -> Counter[tuple[str, str]]:
    """Return how many requests it made, by verb and kind."""
    found: Counter[tuple[str, str]] = Counter()
    _, text = operator.ask("/metrics")
    pattern = r"mpi_operator_api_requests_total\{(.*)\} (\S+)"
    for labels, value in re.findall(pattern, text):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[named["verb"], named["kind"]] += int(float(value))
    return found
