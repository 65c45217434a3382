# SPDX-License-Identifier: Apache-2.0
"""Looks of the controller at the cluster in memory, one at a time.

What the network, the API server and other controllers make of it is for tests/cluster;
here is what needs a moment to be exact: what waits for what, and what goes on.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any
from unittest import mock

import pytest

import mpijob
from mpijob.job import KIND
from mpijob.names import Ref
from mpijob_operator.controller import controller as looking
from mpijob_operator.controller import kinds
from mpijob_operator.controller.controller import Look
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Verb
from tests.room import KINDS, PI, PI_REF, Room, Told


@pytest.fixture
def room() -> Room:
    made = Room()
    made.submit()
    made.deliver()
    return made


@pytest.mark.rule("B4.5", "B8.2")
def test_a_job_is_started_and_then_at_rest(room: Room) -> None:
    assert room.look() == "done"
    room.deliver()
    assert room.look() == "quiet"
    assert {ref.kind for ref in room.cluster.objects} >= {"Pod", "Job", "Service"}


@pytest.mark.rule("B8.2")
@pytest.mark.parametrize("behind", [kind.kind for kind in KINDS])
def test_a_job_waits_for_each_cache_that_shows_its_past(
    room: Room, behind: str
) -> None:
    assert room.look() == "done"
    others = [kind.kind for kind in KINDS if kind.kind != behind]
    room.deliver(*others)
    sent = len(room.api.sent)
    assert room.look() == ""
    assert len(room.api.sent) == sent
    room.deliver(behind)
    assert room.look() == "quiet"


def test_a_cache_that_stays_behind_is_listed_anew(room: Room) -> None:
    assert room.look() == "done"
    assert room.look() == ""
    pods = room.controller.caches.of("hpc")["v1", "Pod"]
    room.now += looking.PATIENCE_S
    room.look()
    assert pods.wants_list


@pytest.mark.rule("B8.2")
def test_an_etcd_that_counts_from_before_is_believed_once_it_was_listed(
    room: Room,
) -> None:
    assert room.look() == "done"
    room.cluster.revision = 1  # Restored from a copy.
    room.deliver()
    assert room.look() == ""
    room.now += 1
    room.deliver()
    assert room.look() == "quiet"


def test_the_api_server_is_left_alone_for_as_long_as_it_asks(room: Room) -> None:
    busy = Answer(429, {"reason": "TooManyRequests"}, retry_after=7.0)
    room.api.instead[Verb.APPLY, "ConfigMap"] = busy
    room.look()
    room.api.instead.clear()
    room.deliver()
    sent = len(room.api.sent)
    room.now += 6.5
    assert room.look() == ""
    assert len(room.api.sent) == sent
    room.now += 0.5
    assert room.look() == "done"


@pytest.mark.rule("B8.8")
def test_after_an_unknown_outcome_nothing_is_done_until_all_is_listed(
    room: Room,
) -> None:
    room.api.instead[Verb.REPLACE, KIND] = Answer(0)
    assert room.look() == "uncertain"
    room.api.instead.clear()
    room.deliver()
    assert room.look() == ""
    room.now += 5
    assert room.look() == ""
    assert all(r.wants_list for r in room.controller.caches.reflectors)
    room.deliver()
    assert room.look() == "done"


@pytest.mark.rule("B8.1")
def test_a_foreign_child_that_no_cache_shows_is_read_and_left_alone(
    room: Room,
) -> None:
    meta = {"name": "pi", "namespace": "hpc"}
    ref = room.cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": meta})
    foreign = room.cluster.objects[ref]
    assert room.look() == "look_again"
    room.deliver("MPIJob", "Pod", "Job", "ConfigMap", "Secret")
    room.look()
    conditions = {c["type"]: c["reason"] for c in room.status()["conditions"]}
    assert conditions["Blocked"] == "ErrResourceExists"
    assert room.cluster.objects[ref] == foreign
    assert not [ref for ref, _ in room.cluster.all("Pod")]
    room.cluster.delete(ref)
    room.deliver("MPIJob", "Pod", "Job", "ConfigMap", "Secret")
    assert room.look() == "done"
    assert [ref for ref, _ in room.cluster.all("Pod")]


@pytest.mark.rule("B8.4")
def test_one_job_that_makes_us_fail_is_no_other_jobs_trouble(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(mpijob, "reconcile", fails)
    room.controller.caches.queue.add(PI)
    run(one_round(room))
    assert "cannot reconcile" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert len(room.controller.caches.queue) == 1  # It is tried again, slowly.


@pytest.mark.rule("B8.2", "B8.8")
def test_a_plan_that_makes_us_fail_half_way_is_of_unknown_outcome(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(looking, "key_pair", fails)
        with pytest.raises(ZeroDivisionError):
            room.look()
    sent = len(room.api.sent)
    assert sent, "a part of the plan was carried out"
    room.deliver()
    assert room.look() == ""
    assert len(room.api.sent) == sent, "not before it can land no more"
    room.now += 5
    assert room.look() == ""
    room.deliver()
    assert room.look() == "done"


@pytest.mark.rule("B8.2")
def test_a_witness_that_fails_makes_us_forget_nothing(room: Room) -> None:
    def fails(_: Look) -> None:
        raise ZeroDivisionError

    acted = mock.patch.object(Told, "acted", staticmethod(fails))
    with acted, pytest.raises(ZeroDivisionError):
        room.look()
    sent = len(room.api.sent)
    assert room.look() == "", "no cache shows yet what was written"
    assert len(room.api.sent) == sent
    room.deliver()
    assert room.look() == "quiet"


@pytest.mark.rule("B4.1", "B8.4")
def test_a_webhook_that_is_down_is_told_and_asked_ever_less_often(room: Room) -> None:
    words = 'Internal error occurred: failed calling webhook "x": connection refused'
    down = Answer(500, {"reason": "InternalError", "message": words})
    room.api.instead[Verb.CREATE, "Pod"] = down
    for wait in (5.0, 8.0, 8.0):
        room.look()
        room.now += wait
        room.look()
        room.deliver()
    blocked = {c["type"]: c for c in room.status()["conditions"]}["Blocked"]
    assert (blocked["status"], blocked["reason"]) == ("True", "InternalError")
    assert "failed calling webhook" in blocked["message"]
    room.api.instead.clear()
    room.now += 300
    room.look()
    room.deliver()
    assert room.look() == "done"
    room.deliver()
    room.look()
    blocked = {c["type"]: c for c in room.status()["conditions"]}["Blocked"]
    assert blocked["status"] == "False"


def test_what_cannot_be_read_live_is_read_again_later(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.look()
    room.deliver()
    launcher = Ref("batch/v1", "Job", "hpc", "pi-launcher")
    room.cluster.delete(launcher, "Background")
    room.deliver()
    room.api.silent = True
    assert room.look() == ""
    assert "cannot read" in caplog.text
    room.api.silent = False
    assert room.look() == "done"
    assert launcher in room.cluster.objects


def test_a_read_that_is_refused_is_none(room: Room) -> None:
    room.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "pi-config", "namespace": "hpc"},
        }
    )
    assert room.look() == "look_again"
    room.deliver("MPIJob", "Pod", "Job", "Service", "Secret")
    room.api.instead[Verb.GET, "ConfigMap"] = Answer(403)
    assert room.look() == ""


def test_a_job_that_is_gone_is_forgotten(room: Room) -> None:
    room.look()
    room.cluster.delete(PI_REF, "Background")
    room.deliver()
    assert room.told.gone == [PI]
    assert room.look() == ""


@pytest.mark.rule("B8.1")
def test_a_child_without_our_labels_gets_them(room: Room) -> None:
    room.look()
    ref = Ref("v1", "Secret", "hpc", "pi-ssh")
    secret = room.cluster.objects[ref]
    bare = {**secret["metadata"], "labels": {"app": "pi"}}
    room.cluster.update(ref, {**secret, "metadata": bare})
    room.deliver()
    caches = room.controller.caches
    caches.gone(kinds.CHILDREN[-1], secret)  # A narrowed watch says that it went.
    room.controller.adopt(kinds.CHILDREN[-1], room.cluster.objects[ref]["metadata"])
    assert room.look() == "done"
    labels = room.cluster.objects[ref]["metadata"]["labels"]
    assert labels["training.kubeflow.org/job-name"] == "pi"
    assert room.api.sent[-1].verb is Verb.APPLY


def test_what_belongs_to_nobody_is_not_adopted(room: Room) -> None:
    room.controller.adopt(kinds.CHILDREN[-1], {"name": "x", "namespace": "hpc"})
    owner = {"kind": KIND, "name": "pi", "uid": "other", "controller": True}
    metadata = {"name": "x", "namespace": "hpc", "ownerReferences": [owner]}
    room.controller.adopt(kinds.CHILDREN[-1], metadata)
    assert not [r for r in room.api.sent if r.ref.name == "x"]


def test_a_new_job_of_the_name_remembers_nothing(room: Room) -> None:
    room.look()
    room.cluster.delete(PI_REF, "Background")
    room.submit()
    caches = room.controller.caches
    caches.changed(kinds.JOBS, room.cluster.objects[PI_REF])
    room.deliver("MPIJob")
    assert room.look() != ""


def test_priority_classes_come_and_go(room: Room) -> None:
    caches = room.controller.caches
    high = {"metadata": {"name": "high"}, "value": 10, "globalDefault": True}
    low = {"metadata": {"name": "low"}}
    caches.replaced(kinds.PRIORITY_CLASSES, "", [high, low])
    assert caches.priority_classes == (
        mpijob.PriorityClass("high", 10, global_default=True),
        mpijob.PriorityClass("low"),
    )
    caches.gone(kinds.PRIORITY_CLASSES, high)
    caches.replaced(kinds.PRIORITY_CLASSES, "", [])
    assert not caches.priority_classes


def test_it_is_stuck_only_while_a_look_is_under_way(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.now += 100
    assert room.controller.stuck_s == 0
    stuck: list[float] = []

    def slow(*_: object) -> mpijob.Reconciliation:
        room.now += 70
        stuck.append(room.controller.stuck_s)
        raise ZeroDivisionError

    monkeypatch.setattr(mpijob, "reconcile", slow)
    room.controller.caches.queue.add(PI)
    run(one_round(room))
    assert stuck == [70]
    assert room.controller.stuck_s == 0


async def one_round(room: Room) -> None:
    """Let a worker look at what is due, and end."""
    worker = asyncio.create_task(room.controller.work())
    await asyncio.sleep(0.01)
    room.controller.drain()
    await worker


def test_what_was_seen_is_named_until_it_was() -> None:
    room = Room()
    unsynced = room.controller.caches.unsynced
    assert unsynced == ("MPIJob", "Pod", "Job", "Service", "ConfigMap", "Secret")
    room.deliver()
    assert room.controller.caches.unsynced == ()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)
