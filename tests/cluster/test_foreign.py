# SPDX-License-Identifier: Apache-2.0
"""Somebody else's objects, and what a cluster will not have (B8.1, B1.7).

A foreign object of a child's name is never written, adopted or deleted; a refusal is
told in the job's status. Either way the job goes on when the obstacle is gone.
"""

import contextlib
import time
from typing import Final

import pytest

from tests.cluster.tiers import one_quick
from tests.controlplane.client import Client
from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

# A refusal is retried after one second, doubled each time.
RECOVERS_S: Final = 60

POD: Final[Json] = {
    "containers": [{"name": "theirs", "image": "example/theirs:1"}],
    "restartPolicy": "Never",
}
# What has the name of each child, and what of the job goes on beside it.
FOREIGN: Final[dict[str, tuple[str, str, Json, set[str]]]] = {
    "Service": ("services", "pi", {"spec": {"clusterIP": "None"}}, set()),
    "ConfigMap": ("configmaps", "pi-config", {"data": {"theirs": "1"}}, set()),
    "Secret": ("secrets", "pi-ssh", {"stringData": {"theirs": "1"}}, set()),
    "worker": ("pods", "pi-worker-1", {"spec": POD}, {"pi-worker-0", "launcher"}),
    "launcher": (
        "jobs",
        "pi-launcher",
        {"spec": {"suspend": True, "template": {"spec": POD}}},
        {"pi-worker-0", "pi-worker-1"},
    ),
}
LABELS: Final = {
    "training.kubeflow.org/operator-name": "mpi-operator",
    "training.kubeflow.org/job-name": "pi",
    "training.kubeflow.org/job-role": "worker",
    "training.kubeflow.org/replica-index": "1",
}


def put(client: Client, stage: Stage, what: str, *, labelled: bool) -> Json:
    kind, name, body, _ = FOREIGN[what]
    metadata = {"name": name, "labels": LABELS if labelled else {}}
    return client.create(stage.path(kind), {"metadata": metadata, **body}).expect(201)


def untouched(stage: Stage, what: str, made: Json) -> bool:
    """Tell whether nobody but the nodes and the Job controller wrote to it."""
    kind, name, _, _ = FOREIGN[what]
    now = stage.get(kind, name)
    if now is None or now["metadata"]["uid"] != made["metadata"]["uid"]:
        return False
    managers = {m["manager"] for m in now["metadata"].get("managedFields", [])}
    ours = any(manager.startswith("mpi-operator") for manager in managers)
    owned = now["metadata"].get("ownerReferences")
    return not (ours or owned or now["metadata"].get("deletionTimestamp"))


def blocked_and_back(stage: Stage, what: str, made: Json) -> None:
    """Expect the job to be blocked, and to go on once the object is gone."""
    kind, name, _, others = FOREIGN[what]
    blocked = stage.wait_for("pi", "Blocked")
    assert blocked["reason"] == "ErrResourceExists"
    assert name in blocked["message"]
    stage.wait(lambda: others <= set(stage.pods("pi")), f"{others} are there")
    assert untouched(stage, what, made)
    assert "ErrResourceExists" in stage.events("pi")
    query = {"propagationPolicy": "Background"}
    stage.client.delete(stage.path(kind, name), **query).expect(200)
    stage.wait_for("pi", "Running", timeout_s=RECOVERS_S)
    assert stage.condition("pi", "Blocked")["status"] == "False"


@pytest.mark.rule("B8.1")
@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "with our labels"])
@pytest.mark.parametrize("what", one_quick(FOREIGN))
def test_what_was_there_before_is_not_ours(
    stage: Stage, what: str, labelled: bool
) -> None:
    made = put(stage.client, stage, what, labelled=labelled)
    stage.operator().start()
    stage.submit(mpijob("pi"))
    blocked_and_back(stage, what, made)


MAKING: Final = {
    "Service": r"/services/pi$",
    "ConfigMap": r"/configmaps/pi-config$",
    "Secret": r"/secrets$",
    "worker": r"/pods$",
    "launcher": r"/jobs$",
}


@pytest.mark.rule("B8.1", "B8.2")
@pytest.mark.parametrize("what", one_quick(FOREIGN))
def test_what_comes_between_look_and_write_is_not_ours(stage: Stage, what: str) -> None:
    made: list[Json] = []

    def comes() -> None:
        with contextlib.closing(stage.plane.client()) as client:
            made.append(put(client, stage, what, labelled=False))

    stage.proxy.in_turn = True  # Workers are made side by side, and one has the name.
    stage.proxy.fault(Fault(MAKING[what], before=comes))
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait(lambda: bool(made), "it came")
    blocked_and_back(stage, what, made[0])


@pytest.mark.rule("B8.1", "B5.5")
def test_cleanup_takes_no_foreign_pod(stage: Stage) -> None:
    made = put(stage.client, stage, "worker", labelled=True)
    stage.operator().start()
    stage.submit(mpijob("pi", 1, runPolicy={"cleanPodPolicy": "All"}))
    stage.wait_for("pi", "Running")
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()
    assert set(stage.all("pods")) == {"pi-worker-1"}
    assert untouched(stage, "worker", made)


# --- What the cluster will not have ---------------------------------------------------


def policy(stage: Stage, expression: str) -> Json:
    """Refuse what does not fit, in this namespace, as a webhook would."""
    group = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    name = stage.namespace
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "the house says no"}],
    }
    stage.client.create(group, {"metadata": {"name": name}, "spec": spec}).expect(201)
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector},
    }
    body = {"metadata": {"name": name}, "spec": binding}
    path = group.replace("policies", "policybindings")
    return stage.client.create(path, body).expect(201)


def wait_for_policy(stage: Stage, name: str) -> None:
    """Wait until a pod of this name is refused; policies take a moment."""
    body = {"metadata": {"name": name}, "spec": POD}

    def refused() -> bool:
        answer = stage.client.create(stage.path("pods"), body, dryRun="All")
        return answer.code == 422

    stage.wait(refused, "the policy holds")


@pytest.mark.rule("B1.7", "B4.1", "B4.5")
def test_a_refused_worker_blocks_and_the_rest_goes_on(stage: Stage) -> None:
    policy(stage, "object.metadata.name != 'pi-worker-2'")
    wait_for_policy(stage, "pi-worker-2")
    proxy = stage.proxy
    stage.operator().start()
    stage.submit(mpijob("pi", 3))
    blocked = stage.wait_for("pi", "Blocked")
    assert "the house says no" in blocked["message"]
    stage.wait(
        lambda: {"pi-worker-0", "pi-worker-1"} <= set(stage.pods("pi")),
        "the others are there",
    )
    # What is wanted counts, made yet or not.
    assert stage.active("pi") == {"Launcher": 1, "Worker": 3}
    before = len(proxy.log)
    time.sleep(10)
    assert len(proxy.log) - before < 30, "it asks ever less often"
    group = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    stage.client.delete(f"{group}/{stage.namespace}").expect(200)
    stage.wait_for("pi", "Running", timeout_s=RECOVERS_S)
    assert stage.condition("pi", "Blocked")["status"] == "False"


@pytest.mark.rule("B1.7")
def test_a_job_of_which_no_pod_may_be_made_ends(stage: Stage) -> None:
    policy(stage, "!object.metadata.name.startsWith('pi-')")
    wait_for_policy(stage, "pi-x")
    stage.operator(refused_timeout="3").start()
    waits = "WaitForWorkersReady"
    stage.submit(mpijob("pi", launcherCreationPolicy=waits))
    failed = stage.wait_for("pi", "Failed")
    assert failed["reason"] == "InvalidSpec"
    assert "the house says no" in failed["message"]


@pytest.mark.rule("B1.7", "B4.1")
def test_a_quota_blocks_until_it_is_raised(stage: Stage) -> None:
    path = f"/api/v1/namespaces/{stage.namespace}/resourcequotas"
    secret = {"metadata": {"name": "x"}}
    stage.client.create(stage.path("secrets"), secret).expect(201)
    hard = {"count/secrets": "0"}
    body = {"metadata": {"name": "small"}, "spec": {"hard": hard}}
    made = stage.client.create(path, body).expect(201)
    # What the quota controller would write, which is not among ours.
    made["status"] = {"hard": hard, "used": hard}
    stage.client.replace(f"{path}/small/status", made).expect(200)
    # Of a name that is taken as well: admission comes before what is there.
    stage.wait(
        lambda: stage.client.create(stage.path("secrets"), secret).code == 403,
        "the quota holds",
    )
    stage.operator().start()
    stage.submit(mpijob("pi"))
    blocked = stage.wait_for("pi", "Blocked")
    assert blocked["reason"] == "QuotaExceeded"
    assert "small" in blocked["message"]
    assert not stage.all("pods")
    stage.client.delete(f"{path}/small").expect(200)
    stage.wait_for("pi", "Running", timeout_s=RECOVERS_S)


@pytest.mark.rule("B8.3")
def test_a_namespace_that_goes_is_let_go(stage: Stage) -> None:
    proxy = stage.proxy
    operator = stage.run(mpijob("pi"))
    stage.script("pi-worker-*", stop_s=3.0)
    before = len(proxy.log)
    path = f"/api/v1/namespaces/{stage.namespace}"
    stage.client.delete(path).expect(200)
    stage.wait(lambda: stage.client.get(path).code == 404, "the namespace is gone", 60)
    assert len(proxy.log) - before < 200, proxy.counts()
    assert operator.runs
