# SPDX-License-Identifier: Apache-2.0
"""What stands around the operator does what tests will ask of it."""

import contextlib
import http.client
import time
from collections.abc import Iterator

import pytest

from tests.controlplane.client import Client
from tests.controlplane.harness import wait_until
from tests.controlplane.pod_life import End
from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Json, Stage

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

LABELS = {"training.kubeflow.org/job-role": "worker"}


def pod(name: str, restarts: str = "Never") -> Json:
    containers = [{"name": "main", "image": "example/mpi:1"}]
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {"containers": containers, "restartPolicy": restarts},
    }


def phase(stage: Stage, name: str) -> str:
    found = stage.get("pods", name)
    return "" if found is None else str(found["status"]["phase"])


@pytest.fixture
def proxied(stage: Stage) -> Iterator[Client]:
    """A client that comes by way of the proxy."""
    proxy = stage.proxy
    certificate = proxy.folder / "proxy.crt"
    with contextlib.closing(Client(proxy.port, "admin-token", certificate)) as client:
        yield client


def test_a_pod_runs_until_it_is_deleted(stage: Stage) -> None:
    stage.client.create(stage.path("pods"), pod("one")).expect(201)
    stage.wait(lambda: phase(stage, "one") == "Running", "the pod runs")
    stage.script("one", stop_s=1.0)
    stage.client.delete(stage.path("pods", "one")).expect(200)
    assert phase(stage, "one") == "Running"
    stage.wait(lambda: not phase(stage, "one"), "the pod is gone")


def test_a_pod_ends_as_it_is_told(stage: Stage) -> None:
    stage.client.create(stage.path("pods"), pod("one")).expect(201)
    stage.wait(lambda: phase(stage, "one") == "Running", "the pod runs")
    stage.nodes.end(stage.key("one"), End(137, "OOMKilled", "too large"))
    stage.wait(lambda: phase(stage, "one") == "Failed", "the pod failed")
    status = stage.client.get(stage.path("pods", "one")).expect(200)["status"]
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_a_container_starts_again_where_the_pod_says_so(stage: Stage) -> None:
    stage.client.create(stage.path("pods"), pod("one", "OnFailure")).expect(201)
    stage.wait(lambda: phase(stage, "one") == "Running", "the pod runs")
    stage.nodes.end(stage.key("one"), End(3))

    def restarts() -> int:
        status = stage.client.get(stage.path("pods", "one")).expect(200)["status"]
        count: int = status["containerStatuses"][0]["restartCount"]
        return count

    stage.wait(lambda: restarts() == 1, "the container started again")
    assert phase(stage, "one") == "Running"


def test_an_evicted_pod_stays_failed(stage: Stage) -> None:
    stage.client.create(stage.path("pods"), pod("one", "OnFailure")).expect(201)
    stage.wait(lambda: phase(stage, "one") == "Running", "the pod runs")
    stage.nodes.evict(stage.key("one"))
    stage.wait(lambda: phase(stage, "one") == "Failed", "the pod was evicted")


def test_nobody_removes_a_pod_whose_node_is_lost(stage: Stage) -> None:
    stage.client.create(stage.path("pods"), pod("one")).expect(201)
    stage.wait(lambda: phase(stage, "one") == "Running", "the pod runs")
    stage.nodes.lose(stage.key("one"))
    time.sleep(1)
    assert phase(stage, "one") == "Running"
    stage.nodes.bury(stage.key("one"))
    stage.wait(lambda: not phase(stage, "one"), "the pod is gone")


def test_a_lost_answer_is_of_a_write_that_was_applied(
    stage: Stage, proxied: Client
) -> None:
    stage.proxy.fault(Fault("/pods$", lose=True))
    with pytest.raises((OSError, http.client.HTTPException)):
        proxied.create(stage.path("pods"), pod("one"))
    assert stage.get("pods", "one") is not None


def test_a_request_that_is_lost_is_not_applied(stage: Stage, proxied: Client) -> None:
    stage.proxy.fault(Fault("/pods$", lose=True, forward=False))
    with pytest.raises((OSError, http.client.HTTPException)):
        proxied.create(stage.path("pods"), pod("one"))
    assert stage.get("pods", "one") is None


def test_the_proxy_answers_in_the_servers_stead(stage: Stage, proxied: Client) -> None:
    fault = stage.proxy.fault(Fault("/pods$", code=429, retry_after="1", skip=1))
    codes = [proxied.create(stage.path("pods"), pod(n)).code for n in ("a", "b", "c")]
    assert (codes, fault.met) == ([201, 429, 201], 1)
    assert stage.proxy.counts() == {"POST pods 201": 2, "POST pods 429": 1}


def test_a_frozen_watch_shows_nothing_until_it_thaws(stage: Stage) -> None:
    proxy = stage.proxy
    watching = Client(proxy.port, "admin-token", proxy.folder / "proxy.crt")
    path = f"{stage.path('configmaps')}?watch=true"
    with contextlib.closing(watching), contextlib.closing(watching.connected()) as line:
        line.request("GET", path, headers={"Authorization": "Bearer admin-token"})
        socket = line.sock
        assert socket is not None
        response = line.getresponse()
        proxy.freeze("configmaps")
        body = {"metadata": {"name": "one"}}
        stage.client.create(stage.path("configmaps"), body).expect(201)
        socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            response.readline()
        proxy.cut()
    wait_until(lambda: not proxy.watches, "the watch is cut", 5)
