# SPDX-License-Identifier: Apache-2.0
"""What the operator reads, and what becomes of it when that goes wrong (B8.2).

A proxy cuts watches, holds them back and refuses them; an API server is killed. A
watch goes on from where it was, and a whole list is read only where nothing else helps.
"""

import re
import time
from collections import Counter
from typing import Final
from urllib.parse import parse_qs

import pytest

from mpijob import names
from mpijob_operator.controller.reflector import PAUSE_MAX_S
from tests.controlplane.proxy import Entry, Fault
from tests.controlplane.stage import Stage, essence, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow, pytest.mark.rule("B8.2")]

# A job whose answer was lost waits until the write can no longer land (T), and more.
AFTER_DOUBT_S: Final = 60
# These stories need 75 to 117, questions of permission included; spinning, thousands.
REQUESTS_MAX: Final = 200


def runs(stage: Stage) -> None:
    """Start an operator and a job, and wait until it runs and nothing happens."""
    stage.run(mpijob("pi"))
    stage.wait_quiet()


def lists(entries: list[Entry]) -> Counter[str]:
    """Return how often each kind was listed."""
    return Counter(e.kind for e in entries if e.is_list)


def watches(entries: list[Entry]) -> Counter[str]:
    """Return how often a watch of each kind was opened."""
    return Counter(e.kind for e in entries if e.is_watch and e.code == 200)


# --- From where a watch goes on ---------------------------------------------------


def test_no_list_and_no_watch_may_go_back_in_time(stage: Stage) -> None:
    proxy = stage.proxy
    runs(stage)
    proxy.cut()
    stage.suspend("pi")
    stage.wait(lambda: not stage.pods("pi"), "the job is suspended")
    reads = [e for e in proxy.log if e.verb == "GET"]
    assert watches(reads)["pods"] > 1
    for entry in reads:
        version = parse_qs(entry.query).get("resourceVersion", [])
        # A list of version "0" is of any time, and so is a watch from none.
        assert (version not in ([], ["0"])) == entry.is_watch, entry


def test_a_watch_that_is_cut_is_followed_by_no_list(stage: Stage) -> None:
    proxy = stage.proxy
    runs(stage)
    kinds, before = set(watches(proxy.log)), len(proxy.log)
    assert kinds >= {"mpijobs", "pods", "jobs", "services", "configmaps", "secrets"}
    proxy.cut()
    stage.wait(lambda: set(watches(proxy.log[before:])) == kinds, "it watches again")
    assert [e for e in proxy.log[before:] if not e.is_watch] == []
    # And what happens is seen.
    stage.suspend("pi")
    stage.wait(lambda: not stage.pods("pi"), "the job is suspended")
    # Its own pods are read live before it is said to hold nothing (B6.1).
    after = [e for e in proxy.log[before:] if names.JOB_NAME_LABEL not in e.query]
    assert not lists(after)


def test_what_happens_while_no_watch_is_open_is_seen_afterwards(stage: Stage) -> None:
    proxy = stage.proxy
    runs(stage)
    before = len(proxy.log)
    proxy.halted = True
    proxy.cut()
    stage.client.delete(stage.path("pods", "pi-worker-0")).expect(200)
    stage.client.delete(stage.path("configmaps", "pi-config")).expect(200)
    time.sleep(2)
    proxy.halted = False
    stage.wait(lambda: stage.made()["pods"] == 3, "the worker is made anew")
    stage.wait_for("pi", "Running")
    stage.wait(lambda: stage.made()["configmaps"] == 2, "so is the hostfile")
    assert not lists(proxy.log[before:])


def test_watches_that_are_cut_again_and_again_lose_nothing(stage: Stage) -> None:
    proxy = stage.proxy
    stage.operator().start()
    stage.submit(mpijob("pi", 8))
    for _ in range(20):
        proxy.cut()
        time.sleep(0.1)
    stage.wait_for("pi", "Running")
    assert stage.made()["pods"] == 8


def test_a_watch_too_old_is_followed_by_one_list(stage: Stage) -> None:
    proxy = stage.proxy
    runs(stage)
    before = len(proxy.log)
    gone = {"reason": "Expired", "message": "too old resource version"}
    fault = Fault(r"/pods$", frozenset({"GET"}), code=410, body=gone)
    proxy.fault(fault)
    proxy.cut("/pods$")
    stage.wait(lambda: fault.met == 1, "the watch was refused")
    stage.client.delete(stage.path("pods", "pi-worker-0")).expect(200)
    stage.wait(lambda: stage.made()["pods"] == 3, "the worker is made anew")
    stage.wait_for("pi", "Running")
    assert lists(proxy.log[before:]) == {"pods": 1}


@pytest.mark.rule("B8.3")
def test_after_an_api_server_restarted_each_kind_is_listed_once_at_most(
    own: Stage,
) -> None:
    """What it knew of the past is gone with it: watches from there are too old."""
    proxy = own.proxy
    runs(own)
    before = len(proxy.log)
    own.plane.restart("kube-apiserver")
    own.client.close()
    own.client.delete(own.path("pods", "pi-worker-0")).expect(200)
    own.wait(lambda: own.made()["pods"] == 3, "the worker is made anew")
    own.wait_for("pi", "Running")
    own.wait_quiet()
    spent = lists(proxy.log[before:])
    assert set(spent.values()) <= {1}, spent
    assert len(proxy.log) - before < REQUESTS_MAX, proxy.counts()


@pytest.mark.rule("B8.3")
def test_an_api_server_that_restarts_in_mid_fan_out_is_waited_for(own: Stage) -> None:
    operator = own.operator()
    operator.start()
    own.submit(mpijob("pi", 40))
    own.wait(lambda: len(own.all("pods")) > 10, "some pods are there")
    own.plane.restart("kube-apiserver")
    own.client.close()
    own.wait_for("pi", "Running")
    # Nothing may change for a while before the last cache is there again: each tries by
    # itself, and the Job controller may have made a pod too many meanwhile.
    counts = {"Launcher": {"active": 1}, "Worker": {"active": 40}}
    own.wait(
        lambda: essence(own, "pi")["counts"] == counts, "all is counted", PAUSE_MAX_S
    )
    own.wait_quiet()
    found = essence(own, "pi")
    assert len(found["pods"]) == 41
    assert found["counts"] == counts
    traces = [line for line in operator.lines() if re.search("Traceback", str(line))]
    assert not traces


# --- What is old, and what cannot be read -----------------------------------------


@pytest.mark.parametrize(
    "kind", ["mpijobs", "pods", "jobs", "services", "configmaps", "secrets"]
)
def test_a_watch_that_shows_the_past_does_no_harm(stage: Stage, kind: str) -> None:
    proxy = stage.proxy
    runs(stage)
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
    stage.wait_for("pi", "Running", timeout_s=AFTER_DOUBT_S)
    stage.wait_quiet()
    assert stage.made()["jobs"] == 2
    assert stage.made()["pods"] == 4


def test_lists_that_fail_are_tried_with_patience(stage: Stage) -> None:
    proxy = stage.proxy
    fault = proxy.fault(Fault(r"/pods$", frozenset({"GET"}), times=1_000, code=503))
    stage.operator().start(ready=False)
    stage.submit(mpijob("pi"))
    time.sleep(10)
    assert 3 <= fault.met <= 30, "requests against a server that fails"
    proxy.faults.clear()
    stage.wait_for("pi", "Running", timeout_s=AFTER_DOUBT_S)
    assert stage.made()["pods"] == 2
