# SPDX-License-Identifier: Apache-2.0
"""Whole lives with trouble: evictions, failures, obstacles, and a user who edits."""

import pytest

from mpijob.actions import Manager, Touch
from mpijob.names import Ref
from mpijob_operator.simulation import (
    life,
)
from tests.builders import cases
from tests.played import active, happened, left, play, verdict

# --- Trouble ------------------------------------------------------------------------


@pytest.mark.rule("B5.3")
def test_an_evicted_worker_is_replaced_and_not_counted() -> None:
    timeline = play("at 8s: evict worker 1", workers=2)
    assert len(happened(timeline, "makes worker Pod pi-worker-1")) == 2
    assert happened(timeline, "tells MPIJobEvicted")
    status = timeline.status
    assert status is not None
    assert status.worker is not None
    assert status.worker.failed == 0


@pytest.mark.rule("B5.3")
def test_a_preempted_worker_is_replaced() -> None:
    timeline = play("at 8s: preempt worker 1", workers=2)
    assert len(happened(timeline, "makes worker Pod pi-worker-1")) == 2


@pytest.mark.rule("B4.9", "B5.3")
def test_a_failed_worker_is_numbered_counted_and_replaced() -> None:
    timeline = play("launcher runs 30s\nat 10s: fail worker 0 with 3", workers=2)
    (numbered,) = happened(timeline, "numbers the failure of pi-worker-0")
    (deleted,) = happened(timeline, "deletes Pod pi-worker-0")
    assert numbered <= deleted
    status = timeline.status
    assert status is not None
    assert status.worker is not None
    assert status.worker.failed == 1


def test_a_worker_that_always_restarts_is_not_replaced() -> None:
    text = "launcher runs 40s\nat 10s: fail worker 0 with 3"
    timeline = play(text, worker={"restartPolicy": "Always"})
    assert len(happened(timeline, "makes worker Pod pi-worker-0")) == 1
    assert happened(timeline, "starts pi-worker-0 again")


@pytest.mark.rule("B8.7")
@cases(
    "what",
    {"worker": ("worker 0", "worker Pod"), "launcher": ("launcher", "launcher Job")},
)
def test_a_child_that_somebody_deletes_comes_back(what: tuple[str, str]) -> None:
    timeline = play(f"launcher runs 30s\nat 10s: delete {what[0]}")
    assert len(happened(timeline, f"makes {what[1]}")) == 2
    assert verdict(timeline)[0] == "Succeeded"


@pytest.mark.rule("B8.1")
def test_somebody_elses_service_holds_the_pods_until_it_goes() -> None:
    timeline = play("at 0s: occupy Service pi\nwhen Blocked: vacate Service pi")
    (blocked,) = happened(timeline, "tells ErrResourceExists")
    assert min(happened(timeline, "makes worker Pod")) > blocked
    assert verdict(timeline)[0] == "Succeeded"


@pytest.mark.rule("B4.1")
def test_a_quota_blocks_and_is_told_until_there_is_room() -> None:
    text = (
        "at 0s: refuse Pod because exceeded quota: small\n30s after Blocked: admit Pod"
    )
    timeline = play(text)
    assert happened(timeline, "is refused: makes worker Pod")
    assert happened(timeline, "tells QuotaExceeded")
    assert verdict(timeline)[0] == "Succeeded"


def test_a_job_that_is_refused_for_ever_is_not_shown_for_ever() -> None:
    timeline = play("at 0s: refuse ConfigMap because no")
    assert timeline.end.startswith("And so on")
    status = timeline.status
    assert status is not None
    assert status.is_true("Blocked")


def test_waits_that_double_come_to_an_end() -> None:
    """The simulated operator waits as the controller does, and no power overflows."""
    timeline = play("at 0s: refuse ConfigMap because no\nuntil 2000000s")
    assert timeline.end.startswith("And so on: it looks again every 300 s.")


def test_what_is_due_after_the_last_date_never_comes() -> None:
    far = {"activeDeadlineSeconds": 999_999_999_999}
    timeline = play("launcher runs forever", policy=far)
    assert timeline.end == "Nothing more happens before the calendar ends."


# --- Edits --------------------------------------------------------------------------


@pytest.mark.rule("B6.1")
def test_a_suspended_job_holds_nothing_and_starts_anew() -> None:
    text = "at 8s: suspend\n1m after Suspended: resume"
    timeline = play(text, workers=2)
    halted = [moment for moment in timeline.moments if moment.at < 60][-1].status
    assert active(halted) == (0, 0)
    assert len(happened(timeline, "makes worker Pod pi-worker-0")) == 2
    assert len(happened(timeline, "makes launcher Job")) == 2
    assert verdict(timeline)[0] == "Succeeded"


@pytest.mark.rule("B6.1")
def test_the_launcher_is_stopped_before_the_workers_go() -> None:
    timeline = play("at 8s: suspend", workers=2)
    (stopped,) = happened(timeline, "suspends Job pi-launcher")
    assert stopped < min(happened(timeline, "deletes Pod pi-worker-0"))
    assert left(timeline, "Pod") == []


@pytest.mark.rule("B6.1")
def test_a_job_made_suspended_starts_when_it_is_let_go() -> None:
    timeline = play("at 1m: resume", policy={"suspend": True})
    assert min(happened(timeline, "makes worker Pod")) >= 60
    assert verdict(timeline)[0] == "Succeeded"


@pytest.mark.rule("B6.1", "B5.9")
def test_what_was_edited_meanwhile_is_what_starts() -> None:
    image = "spec.mpiReplicaSpecs.Worker.template.spec.containers[0].image"
    text = f"at 8s: suspend\nwhen Suspended: set {image} = new\nat 1m: resume"
    timeline = play(text)
    workers = [o for o in timeline.objects if o["metadata"]["name"] == "pi-worker-0"]
    assert workers[0]["spec"]["containers"][0]["image"] == "new"


@cases("replicas", {"up": (4,), "down": (1,)})
@pytest.mark.rule("B5.7")
def test_workers_follow_the_number_asked_for(replicas: tuple[int]) -> None:
    timeline = play(f"launcher runs 20s\nat 8s: scale {replicas[0]}", workers=2)
    pods = [name for name in left(timeline, "Pod") if "worker" in name]
    assert pods == [f"pi-worker-{i}" for i in range(replicas[0])]


def test_a_deleted_job_takes_all_with_it() -> None:
    timeline = play("at 8s: delete\nat 1m: delete\nat 1m: suspend", workers=2)
    assert timeline.objects == ()
    assert len(happened(timeline, "finds no MPIJob any more")) == 2


@pytest.mark.rule("B6.1")
def test_a_launcher_that_somebody_suspends_below_us_goes_on() -> None:
    timeline = play("at 5s: suspend launcher")
    (resumed,) = happened(timeline, "resumes Job pi-launcher")
    assert 15 <= resumed <= 17
    assert happened(timeline, "Job pi-launcher is resumed")
    assert len(happened(timeline, "makes a pod of Job")) == 2
    assert verdict(timeline)[0] == "Succeeded"


@cases(
    "manager, expected",
    {
        "labels": (Manager.LABELS, "labels Job {}"),
        "children": (Manager.CHILDREN, "changes Job {}"),
    },
)
def test_other_touches_are_told(manager: Manager, expected: str) -> None:
    touch = Touch(manager, Ref("batch/v1", "Job", "hpc", "j"), "u", "", {})
    assert life.told(touch) == (expected, "j")


# --- What finds nothing to do -------------------------------------------------------


@cases(
    "deed, said",
    {
        "evict": ("evict worker 7", "finds no pi-worker-7 that lives"),
        "preempt": ("preempt worker 7", "finds no pi-worker-7 that lives"),
        "fail": ("fail worker 7 with 1", "finds no pi-worker-7 that runs"),
        "delete": ("delete worker 7", "finds no Pod pi-worker-7"),
        "launcher": ("launcher exits 1", "finds no launcher pod that lives"),
        "launcher Job": ("suspend launcher", "finds no Job pi-launcher"),
        "vacate": ("vacate Job x", "finds no Job x"),
        "occupied": ("occupy Service pi", "finds a Service pi there already"),
        "no such entry": ("set spec.mpiReplicaSpecs[3] = 1", "finds nothing to set"),
        "through text": ("set spec.slotsPerWorker.x = 1", "finds nothing to set"),
        "no list": ("set spec.x[0].y = 1", "finds nothing to set"),
    },
)
def test_a_deed_that_finds_nothing_says_so(deed: str, said: str) -> None:
    policy = {"cleanPodPolicy": "All"}
    timeline = play(f"at 1m: {deed}", policy=policy, slotsPerWorker=1)
    assert happened(timeline, said)


def test_the_launcher_ends_when_it_is_told_to() -> None:
    timeline = play("launcher runs forever\nat 20s: launcher exits 0")
    assert verdict(timeline)[0] == "Succeeded"


def test_a_condition_counts_from_the_line_before() -> None:
    text = "launcher runs 1m\nat 20s: evict worker 0\n5s after Running: suspend"
    timeline = play(text)
    again = happened(timeline, "tells MPIJobRunning")[1]
    (suspended,) = happened(timeline, "sets spec.runPolicy.suspend to true")
    assert suspended == pytest.approx(again + 5, abs=0.2)
