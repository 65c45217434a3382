# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between the operator and the API server (B8.2, B8.3).

A proxy loses answers, and says no in the API server's stead; the job comes to where it
would have come anyway, and nothing is made twice. What befalls watches and lists is in
`test_watches`.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from tests.cluster.histories import freed_under_pods, watched
from tests.cluster.tiers import one_quick
from tests.controlplane.harness import free_port
from tests.controlplane.pod_life import End
from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

# What each kind of write is: the verb, and the path of it.
WRITES: Final = {
    "status": ("PUT", r"/mpijobs/pi/status$"),
    "Service": ("PATCH", r"/services/pi$"),
    "ConfigMap": ("PATCH", r"/configmaps/pi-config$"),
    "Secret": ("POST", r"/secrets$"),
    "worker": ("POST", r"/pods$"),
    "launcher": ("POST", r"/jobs$"),
    "event": ("POST", r"/events$"),
}
# A job whose answer was lost waits until the write can no longer land (T), and more.
AFTER_DOUBT_S: Final = 60
# These stories need 75 to 117, questions of permission included; spinning, thousands.
REQUESTS_MAX: Final = 200


CHILDREN: Final = Counter(
    {"pods": 2, "jobs": 1, "services": 1, "configmaps": 1, "secrets": 1}
)


def runs(stage: Stage) -> None:
    """Wait until the job runs, with all its children, each made once."""
    stage.wait_for("pi", "Running", timeout_s=AFTER_DOUBT_S)
    stage.wait_quiet()
    assert stage.made() == CHILDREN
    assert stage.active("pi") == {"Launcher": 1, "Worker": 2}
    assert len(stage.proxy.log) < REQUESTS_MAX, stage.proxy.counts()


@pytest.mark.rule("B8.2", "B4.5")
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("what", one_quick(WRITES))
def test_an_answer_that_is_lost_doubles_nothing(
    stage: Stage, what: str, applied: bool
) -> None:
    verb, path = WRITES[what]
    fault = Fault(path, frozenset({verb}), lose=True, forward=applied)
    stage.proxy.fault(fault)
    stage.operator().start()
    stage.submit(mpijob("pi"))
    runs(stage)
    assert fault.met == 1
    told = stage.events("pi")
    assert max(Counter(told).values()) == 1, told


@pytest.mark.rule("B8.2", "B6.1")
@pytest.mark.long
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("PUT", r"/mpijobs/pi/status$"),
        ("PATCH", r"/jobs/pi-launcher$"),
        ("DELETE", r"/jobs/pi-launcher$"),
        ("DELETE", r"/pods/pi-worker-1$"),
    ],
)
def test_an_answer_lost_while_suspending_loses_nothing(
    stage: Stage, verb: str, path: str, applied: bool
) -> None:
    proxy = stage.proxy
    stage.run(mpijob("pi"))
    stage.wait_quiet()
    fault = Fault(path, frozenset({verb}), lose=True, forward=applied)
    proxy.fault(fault)
    with watched(stage, "mpijobs") as changes, watched(stage, "pods") as pods:
        stage.suspend("pi")
        stage.wait(
            lambda: not stage.all("jobs") and "startTime" not in stage.status("pi"),
            "the job is suspended",
            AFTER_DOUBT_S,
        )
        stage.wait_quiet()
    assert fault.met == 1
    assert not freed_under_pods("pi", changes, pods)
    assert not stage.pods("pi")
    assert stage.active("pi") == {"Launcher": 0, "Worker": 0}
    assert stage.made() == CHILDREN


@pytest.mark.rule("B8.2", "B4.9", "B5.3")
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize(
    "what",
    one_quick(["PATCH /pods/pi-worker-0", "PUT /status", "DELETE /pods/pi-worker-0"]),
)
def test_an_answer_lost_while_a_failure_is_counted_counts_it_once(
    stage: Stage, what: str, applied: bool
) -> None:
    proxy = stage.proxy
    stage.run(mpijob("pi"))
    stage.wait_quiet()
    verb, path = what.split()
    fault = Fault(f"{path}$", frozenset({verb}), lose=True, forward=applied)
    proxy.fault(fault)
    stage.nodes.end(stage.key("pi-worker-0"), End(1))
    stage.wait(lambda: stage.made()["pods"] == 3, "it is replaced", AFTER_DOUBT_S)
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    assert fault.met == 1
    assert stage.status("pi")["replicaStatuses"]["Worker"]["failed"] == 1
    assert stage.made() == CHILDREN + Counter({"pods": 1})


@pytest.mark.rule("B8.2", "B5.6")
@pytest.mark.long
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
def test_an_answer_lost_at_the_end_of_a_life_leaves_nothing(
    stage: Stage, applied: bool
) -> None:
    fault = Fault("/mpijobs/pi$", frozenset({"DELETE"}), lose=True, forward=applied)
    stage.proxy.fault(fault)
    stage.script("pi-launcher-*", run_s=0.0)
    stage.operator().start()
    stage.submit(mpijob("pi", runPolicy={"ttlSecondsAfterFinished": 0}))
    kinds = ("mpijobs", "pods", "jobs", "services", "configmaps", "secrets")
    stage.wait(
        lambda: not any("pi" in name for kind in kinds for name in stage.all(kind)),
        "nothing is left",
        AFTER_DOUBT_S,
    )
    assert fault.met == 1
    assert stage.made() == CHILDREN


@pytest.mark.rule("B8.2")
@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "retry_after"),
    [(429, "1"), (500, ""), (503, ""), (504, ""), (409, ""), (410, ""), (401, "")],
)
@pytest.mark.parametrize("what", ["status", "ConfigMap", "worker", "launcher"])
def test_an_answer_that_is_an_error_is_tried_again(
    stage: Stage, what: str, code: int, retry_after: str
) -> None:
    verb, path = WRITES[what]
    reason = {409: "Conflict", 410: "Expired", 429: "TooManyRequests"}.get(code, "")
    fault = Fault(
        path,
        frozenset({verb}),
        code=code,
        body={"reason": reason},
        retry_after=retry_after,
    )
    stage.proxy.fault(fault)
    stage.operator().start()
    stage.submit(mpijob("pi"))
    runs(stage)
    assert fault.met == 1
    proxy = stage.proxy
    mine = [e.at for e in proxy.log if e.verb == verb and re.search(path, e.path)]
    again = 2 if what == "worker" else 1  # Two workers are sent together.
    assert mine[again] - mine[0] >= float(retry_after or 0)


HOOKS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
# Attempts come after 0, 5, 10, 18 and 34 s, each after a list of each kind.
DOWN_S: Final = 30.0
LISTS_MAX: Final = 5 * 12


@pytest.fixture
def without_a_webhook(stage: Stage) -> Iterator[Stage]:
    """Have pods refused in this namespace, for nobody answers who is to be asked."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    labels = {"kubernetes.io/metadata.name": stage.namespace}
    webhook = {
        "name": "down.example.com",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": labels},
        "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    name = f"down-{stage.namespace}"
    configuration = {"metadata": {"name": name}, "webhooks": [webhook]}
    stage.client.create(HOOKS, configuration).expect(201)
    yield stage
    stage.client.delete(f"{HOOKS}/{name}")


@pytest.mark.long
@pytest.mark.rule("B4.1", "B8.2")
def test_a_webhook_that_is_down_is_told_and_bounded(without_a_webhook: Stage) -> None:
    """It is no refusal but an error, 500: whether the pod is there nobody says."""
    stage = without_a_webhook
    stage.wait(lambda: _refuses(stage), "the webhook is asked")
    log = stage.proxy.log
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Blocked", timeout_s=AFTER_DOUBT_S)
    blocked = stage.condition("pi", "Blocked")
    assert blocked["reason"] == "InternalError"
    assert "failed calling webhook" in blocked["message"]
    began = len(log)
    time.sleep(DOWN_S)
    lists = [entry for entry in log[began:] if entry.is_list]
    assert 0 < len(lists) <= LISTS_MAX, stage.proxy.counts()
    stage.client.delete(f"{HOOKS}/down-{stage.namespace}")
    stage.wait_for("pi", "Running", timeout_s=4 * DOWN_S)
    assert stage.made() == CHILDREN
    assert not stage.has("pi", "Blocked")


def _refuses(stage: Stage) -> bool:
    pod = {
        "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    return stage.client.create(stage.path("pods"), pod, dryRun="All").code == 500
