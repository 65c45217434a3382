# SPDX-License-Identifier: Apache-2.0
"""What the operator does not do: tell keys, ask for nothing, fall over one job."""

import base64
import time
from collections import Counter
from typing import Final

import pytest

from tests.controlplane.proxy import Fault
from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

QUIET_S: Final = 20
FOREIGN: Final = 300


@pytest.mark.rule("B8.5")
def test_no_key_is_told_anywhere(stage: Stage) -> None:
    records = stage.folder / "records"
    records.mkdir()
    proxy = stage.proxy
    refusal = Fault("/secrets$", code=422, body={"reason": "Invalid"})
    proxy.fault(refusal)
    operator = stage.operator(record=str(records), log_level="debug")
    operator.start()
    names = ("a", "b", "c")
    for name in names:
        stage.submit(mpijob(name, 1))
    for name in names:
        stage.wait_for(name, "Running")
    stage.suspend("a")
    stage.script("b-launcher-*", run_s=0.0)
    stage.wait_for("b", "Succeeded")
    stage.wait(lambda: not stage.pods("a"), "the first is suspended")
    assert refusal.met == 1
    told = [
        operator.log.read_bytes(),
        operator.ask("/metrics")[1].encode(),
        str(stage.all("events")).encode(),
        str(stage.all("mpijobs")).encode(),
        *(path.read_bytes() for path in records.rglob("*") if path.is_file()),
    ]
    assert len(told) > 4 + len(names), "what it decided is recorded"
    for name in names:
        secret = stage.get("secrets", f"{name}-ssh")
        assert secret is not None
        for line in secrets_of(secret):
            assert not any(line in text for text in told)


def secrets_of(secret: Json) -> list[bytes]:
    """Return every line of a private key, plain and as the API carries it."""
    carried = secret["data"]["ssh-privatekey"].encode()
    plain = base64.b64decode(carried)
    lines = [line for line in plain.splitlines() if b"-----" not in line]
    assert lines
    # The whole in base64 begins with the words BEGIN..; what follows is the key.
    return [*lines, carried[60:120]]


@pytest.mark.rule("B4.4")
def test_nothing_is_asked_once_all_is_done(stage: Stage) -> None:
    proxy = stage.proxy
    stage.operator(leader_elect="true", lock_namespace=stage.namespace).start()
    for number in range(20):
        stage.submit(mpijob(f"j{number}", 2))
    for number in range(20):
        stage.wait_for(f"j{number}", "Running")
    stage.wait_quiet()
    before = len(proxy.log)
    time.sleep(QUIET_S)
    since = [e for e in proxy.log[before:] if not e.is_watch and e.kind != "leases"]
    assert not since


@pytest.mark.rule("B8.4")
def test_foreign_pods_with_a_jobs_labels_stop_nobody(stage: Stage) -> None:
    stage.operator().start()
    labels = {
        "training.kubeflow.org/operator-name": "mpi-operator",
        "training.kubeflow.org/job-name": "crowded",
        "training.kubeflow.org/job-role": "worker",
    }
    container = {"name": "theirs", "image": "example/theirs:1"}
    spec = {"containers": [container], "schedulingGates": [{"name": "example.com/no"}]}
    for number in range(FOREIGN):
        body = {"metadata": {"name": f"theirs-{number}", "labels": labels}}
        stage.client.create(stage.path("pods"), {**body, "spec": spec}).expect(201)
    for name in ("crowded", "other"):
        stage.submit(mpijob(name))
    for name in ("crowded", "other"):
        stage.wait_for(name, "Running")
    assert stage.active("crowded") == {"Launcher": 1, "Worker": 2}
    left = [name for name in stage.all("pods") if name.startswith("theirs-")]
    assert len(left) == FOREIGN


@pytest.mark.rule("B4.4", "B4.7")
def test_a_life_costs_what_it_must(stage: Stage) -> None:
    proxy = stage.proxy
    stage.run(mpijob("pi", 8))
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()
    spent = Counter(f"{e.verb} {e.kind}" for e in proxy.writes())
    applied = Counter(e.code for e in proxy.writes("/configmaps/"))
    assert spent["POST pods"] == 8
    made = sum(e.code == 201 and e.kind != "events" for e in proxy.writes())
    assert made == 12
    assert spent["PUT mpijobs/status"] <= 5
    assert spent["POST events"] <= 4
    assert sum(applied.values()) <= 4, "made, and applied three times"
