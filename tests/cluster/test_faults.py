# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between the operator and the API server (B8.2, B8.3).

A proxy loses answers, holds watches back and says no in the API server's stead; the
job comes to where it would have come anyway, and nothing is made twice.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from tests.cluster.tiers import one_quick
from tests.controlplane.fixtures import USERS, Cluster
from tests.controlplane.harness import ControlPlane
from tests.controlplane.nodes import Nodes
from tests.controlplane.proxy import Fault, Proxy
from tests.controlplane.stage import Stage, essence, install, mpijob

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
# Far more than any of these stories needs; an operator that spins needs thousands.
REQUESTS_MAX: Final = 400


def made(proxy: Proxy) -> Counter[str]:
    """Return how many children were made of each kind, Events aside."""
    created = (e.kind for e in proxy.writes() if e.code == 201)
    return Counter(kind for kind in created if kind != "events")


CHILDREN: Final = Counter(
    {"pods": 2, "jobs": 1, "services": 1, "configmaps": 1, "secrets": 1}
)


def runs(stage: Stage) -> None:
    """Wait until the job runs, with all its children, each made once."""
    stage.wait(
        lambda: stage.condition("pi", "Running").get("status") == "True",
        "the job runs",
        AFTER_DOUBT_S,
    )
    stage.wait_quiet()
    assert made(stage.proxy) == CHILDREN
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
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    fault = Fault(path, frozenset({verb}), lose=True, forward=applied)
    proxy.fault(fault)
    stage.suspend("pi")
    stage.wait(
        lambda: not stage.all("jobs") and "startTime" not in stage.status("pi"),
        "the job is suspended",
        AFTER_DOUBT_S,
    )
    assert fault.met == 1
    assert not stage.pods("pi")
    assert stage.active("pi") == {"Launcher": 0, "Worker": 0}
    assert made(proxy) == CHILDREN


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


@pytest.mark.rule("B8.2")
@pytest.mark.parametrize("kind", ["mpijobs", "pods", "jobs", "configmaps"])
def test_a_watch_that_shows_the_past_does_no_harm(stage: Stage, kind: str) -> None:
    proxy = stage.proxy
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    proxy.freeze(f"/{kind}$")
    before = len(proxy.log)
    stage.suspend("pi")
    stage.wait_quiet()
    time.sleep(2)
    assert len(proxy.log) - before < REQUESTS_MAX, proxy.counts()
    proxy.thaw()
    stage.wait(lambda: not stage.pods("pi"), "the job is suspended", AFTER_DOUBT_S)
    proxy.freeze(f"/{kind}$")
    stage.suspend("pi", suspend=False)
    stage.wait_quiet()
    proxy.cut()
    proxy.thaw()
    stage.wait(
        lambda: stage.condition("pi", "Running").get("status") == "True",
        "the job runs again",
        AFTER_DOUBT_S,
    )
    stage.wait_quiet()
    assert made(proxy)["jobs"] == 2
    assert made(proxy)["pods"] == 4


@pytest.mark.rule("B8.2")
def test_watches_that_are_cut_again_and_again_lose_nothing(stage: Stage) -> None:
    proxy = stage.proxy
    stage.operator().start()
    stage.submit(mpijob("pi", 8))
    for _ in range(20):
        proxy.cut()
        time.sleep(0.1)
    stage.wait_for("pi", "Running")
    assert made(proxy)["pods"] == 8


@pytest.mark.rule("B8.2")
def test_lists_that_fail_are_tried_with_patience(stage: Stage) -> None:
    proxy = stage.proxy
    fault = proxy.fault(Fault(r"/pods$", frozenset({"GET"}), times=1_000, code=503))
    stage.operator().start(ready=False)
    stage.submit(mpijob("pi"))
    time.sleep(10)
    assert 3 <= fault.met <= 30, "requests against a server that fails"
    proxy.faults.clear()
    runs(stage)


@pytest.mark.rule("B8.2")
def test_a_watch_too_old_begins_anew(stage: Stage) -> None:
    proxy = stage.proxy
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    gone = {"reason": "Expired", "message": "too old resource version"}
    fault = Fault(r"/pods$", frozenset({"GET"}), code=410, body=gone)
    proxy.fault(fault)
    proxy.cut("/pods$")
    stage.wait(lambda: fault.met == 1, "the watch was refused")
    stage.client.delete(stage.path("pods", "pi-worker-0")).expect(200)
    stage.wait(lambda: made(proxy)["pods"] == 3, "the worker is made anew")
    stage.wait_for("pi", "Running")


@pytest.fixture
def own(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on a control plane of its own, whose end disturbs nobody."""
    folder = tmp_path_factory.mktemp("own")
    plane = ControlPlane(cluster.plane.programs, folder, USERS)
    nodes, stage = None, None
    try:
        plane.start()
        client = plane.client()
        install(client)
        client.close()
        plane.start_controllers()
        nodes = Nodes(plane.kubeconfig())
        nodes.start()
        stage = Stage(plane, nodes, tmp_path_factory.mktemp("stage"))
        yield stage
    finally:
        if stage is not None:
            stage.close()
        if nodes is not None:
            nodes.stop()
        plane.stop()


@pytest.mark.rule("B8.2", "B8.3")
def test_an_api_server_that_restarts_in_mid_fan_out_is_waited_for(own: Stage) -> None:
    operator = own.operator()
    operator.start()
    own.submit(mpijob("pi", 40))
    own.wait(lambda: len(own.all("pods")) > 10, "some pods are there")
    own.plane.restart("kube-apiserver")
    own.client.close()
    own.wait_for("pi", "Running")
    own.wait_quiet()
    found = essence(own, "pi")
    assert len(found["pods"]) == 41
    assert found["counts"] == {"Launcher": {"active": 1}, "Worker": {"active": 40}}
    traces = [line for line in operator.lines() if re.search("Traceback", str(line))]
    assert not traces
