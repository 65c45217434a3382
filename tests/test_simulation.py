# SPDX-License-Identifier: Apache-2.0
"""Whole lives in the simulated cluster: the shipped core, the shipped executor.

Each story is a script; what is asserted is what a person would look for in its table.
"""

import itertools
from typing import Any

import pytest

from mpijob.actions import Manager, Touch
from mpijob.job import API_VERSION
from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob.status import JobStatus
from mpijob.world import Settings
from mpijob_operator.executor import End
from mpijob_operator.simulation import (
    Script,
    Surroundings,
    Timeline,
    life,
    read,
    render,
    simulate,
)
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.operator import carry_out, decide
from mpijob_operator.simulation.timeline import Entry, Moment, clock, rows, state, told
from tests.builders import NOON, a_manifest, cases


def play(
    text: str = "",
    surroundings: Surroundings | None = None,
    **parts: Any,  # noqa: ANN401 - a_manifest's.
) -> Timeline:
    """Play a job through a script that has no mistakes."""
    script, errors = read(text)
    assert not errors
    return simulate(a_manifest(**parts), script, surroundings)


def happened(timeline: Timeline, *words: str) -> list[float]:
    """Return when something was said that has all of these words."""
    return [e.at for e in timeline.entries if all(word in str(e) for word in words)]


def verdict(timeline: Timeline) -> tuple[str, str]:
    """Return the condition that ended the job, and its reason."""
    status = timeline.status
    assert status is not None
    assert status.verdict is not None
    condition = status.condition(status.verdict)
    assert condition is not None
    return condition.type, condition.reason


def active(status: JobStatus | None) -> tuple[int, int]:
    assert status is not None
    roles = (status.launcher, status.worker)
    launcher, worker = (role.active if role else 0 for role in roles)
    return launcher, worker


def left(timeline: Timeline, kind: str) -> list[str]:
    return sorted(o["metadata"]["name"] for o in timeline.objects if o["kind"] == kind)


# --- The usual ----------------------------------------------------------------------


@pytest.mark.rule("B4.2", "B5.1", "B5.2")
def test_a_job_runs_and_succeeds() -> None:
    timeline = play(workers=2)
    assert verdict(timeline) == ("Succeeded", "MPIJobSucceeded")
    assert left(timeline, "Pod")[1:] == ["pi-worker-0", "pi-worker-1"]
    assert timeline.end == "Nothing more happens."
    assert len(happened(timeline, "makes worker Pod")) == 2


@pytest.mark.rule("B4.4", "B4.7")
def test_a_usual_life_takes_few_writes() -> None:
    timeline = play(workers=8)
    assert len(happened(timeline, "writes the status")) <= 5
    told_of = [str(e) for e in timeline.entries if str(e).startswith("tells")]
    assert told_of == [
        "tells MPIJobCreated",
        "tells MPIJobRunning",
        "tells MPIJobSucceeded",
    ]


def test_a_life_is_the_same_each_time() -> None:
    assert render(play(workers=3)) == render(play(workers=3))


def test_another_seed_is_another_life() -> None:
    assert render(play("seed 1", workers=3)) != render(play("seed 2", workers=3))


def test_a_job_without_workers_runs() -> None:
    assert verdict(play(workers=None))[0] == "Succeeded"


@pytest.mark.rule("B5.1")
def test_a_launcher_that_waits_is_made_after_the_workers_are_ready() -> None:
    container = {"ports": [{"name": "ssh", "containerPort": 22}]}
    template = {"spec": {"containers": [{"name": "mpi", "image": "x", **container}]}}
    timeline = play(
        workers=2,
        worker={"template": template},
        launcherCreationPolicy="WaitForWorkersReady",
    )
    (made,) = happened(timeline, "makes launcher Job")
    assert made >= max(happened(timeline, "finds pi-worker", "Ready"))
    assert verdict(timeline)[0] == "Succeeded"


@cases(
    "gang",
    {"volcano": ("volcano",), "kubernetes": ("kubernetes",), "plugins": ("mine",)},
)
@pytest.mark.rule("B7.5")
def test_a_gang_has_its_group_while_it_lives(gang: tuple[str]) -> None:
    surroundings = Surroundings(Settings(gang_scheduler=gang[0]))
    timeline = play(surroundings=surroundings, workers=2)
    made, pods = (
        happened(timeline, "makes PodGroup"),
        happened(timeline, "makes worker"),
    )
    assert made
    assert max(made) <= min(pods)
    assert left(timeline, "PodGroup") == []


# --- Ends ---------------------------------------------------------------------------


@pytest.mark.rule("B4.1", "B5.2")
def test_a_launcher_that_fails_too_often_ends_the_job() -> None:
    policy = {"backoffLimit": 1}
    timeline = play(
        "launcher exits 3", launcher={"restartPolicy": "Never"}, policy=policy
    )
    kind, reason = verdict(timeline)
    assert (kind, reason) == ("Failed", "BackoffLimitExceeded")
    assert len(happened(timeline, "makes a pod of Job")) == 2


@pytest.mark.rule("B5.2")
def test_a_launcher_that_fails_once_is_tried_again() -> None:
    timeline = play("launcher exits 3 then 0", launcher={"restartPolicy": "Never"})
    assert verdict(timeline)[0] == "Succeeded"
    assert len(happened(timeline, "makes a pod of Job")) == 2


def test_a_launcher_restarts_in_place_and_is_given_up_after_the_limit() -> None:
    timeline = play("launcher exits 3", policy={"backoffLimit": 2})
    assert verdict(timeline)[0] == "Failed"
    assert len(happened(timeline, "starts pi-launcher", "again")) == 1


@cases("code, restarts", {"its own mistake": (1, False), "a signal": (137, True)})
@pytest.mark.rule("B2.6")
def test_a_launcher_of_exit_codes_is_retried_after_a_signal_only(
    code: int, restarts: bool
) -> None:
    launcher = {"restartPolicy": "ExitCode"}
    timeline = play(f"launcher exits {code} then 0", launcher=launcher)
    assert (verdict(timeline)[0] == "Succeeded") is restarts


@pytest.mark.rule("B5.4")
def test_a_deadline_ends_the_job() -> None:
    timeline = play("launcher runs forever", policy={"activeDeadlineSeconds": 30})
    assert verdict(timeline) == ("Failed", "DeadlineExceeded")
    assert happened(timeline, "deletes pod pi-launcher") or happened(
        timeline, "deletes Job pi-launcher"
    )


@cases(
    "policy, pods", {"None": ("None", 3), "Running": ("Running", 1), "All": ("All", 0)}
)
@pytest.mark.rule("B5.5")
def test_pods_are_cleaned_as_asked(policy: str, pods: int) -> None:
    timeline = play(workers=2, policy={"cleanPodPolicy": policy})
    assert len(left(timeline, "Pod")) == pods
    assert verdict(timeline)[0] == "Succeeded"


@pytest.mark.rule("B5.6")
def test_a_job_goes_after_its_time_and_takes_all_with_it() -> None:
    timeline = play(policy={"ttlSecondsAfterFinished": 3600})
    assert timeline.status is None
    assert timeline.objects == ()
    assert happened(timeline, "deletes MPIJob pi")[0] >= 3600


def test_a_job_that_another_controller_manages_is_left_alone() -> None:
    timeline = play(policy={"managedBy": "kueue.x-k8s.io/multikueue"})
    assert [entry.who for entry in timeline.entries] == ["user"]


def test_a_job_that_was_never_valid_fails() -> None:
    timeline = play(slotsPerWorker=-1)
    assert verdict(timeline) == ("Failed", "InvalidSpec")
    assert left(timeline, "Pod") == []


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


# --- How long -----------------------------------------------------------------------


def test_a_script_may_stop_the_looking() -> None:
    timeline = play("until 5s")
    assert timeline.end == "Stopped after 5 s."
    assert all(entry.at <= 5 for entry in timeline.entries)


def test_a_life_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "TURNS_MAX", 20)
    assert play().end == "And so on: stopped after 20 turns."


def test_what_is_said_of_a_manifest_that_was_in_a_cluster_is_left_out() -> None:
    manifest = a_manifest(metadata={"uid": "old", "labels": {"a": "b"}})
    timeline = simulate({**manifest, "status": {"conditions": []}}, Script())
    (job,) = [o for o in timeline.objects if o["apiVersion"] == API_VERSION]
    assert job["metadata"]["uid"] != "old"
    assert job["metadata"]["labels"] == {"a": "b"}


# --- The table ----------------------------------------------------------------------


def test_the_table_shows_time_happenings_deeds_and_status() -> None:
    text = render(play(workers=2))
    heading, first = text.splitlines()[:2]
    assert heading.split("  ")[0] == "TIME"
    assert first.startswith("0s")
    assert "user: creates MPIJob pi" in first
    assert "makes worker Pod pi-worker-0 to 1" in text
    assert text.endswith("Nothing more happens.\n")
    assert max(map(len, text.splitlines())) <= 140


def test_a_status_is_shown_when_it_is_another() -> None:
    shown = [row.status for row in rows(play(workers=2))]
    assert shown[0].startswith("Created")
    assert all(a != b for a, b in itertools.pairwise(shown) if b)


def test_a_status_that_says_nothing_is_shown_as_that() -> None:
    assert state(JobStatus()) == "no status"


def test_sentences_that_differ_in_the_name_are_one() -> None:
    entries = [Entry(0, "k", "starts {}", name) for name in ("a-1", "a-0", "a-3", "b")]
    assert list(told(entries)) == ["starts a-0 to 1, a-3, b"]


def test_a_timeline_of_nothing_has_no_status() -> None:
    assert Timeline((), "", ()).status is None


def test_times_are_short() -> None:
    assert [clock(t) for t in (59.96, 60, 3600)] == ["60s", "1m00s", "1h00m00s"]


def test_a_moment_begins_with_its_first_entry() -> None:
    assert Moment((Entry(2.5, "user", "waits"),), None).at == 2.5


def test_a_long_name_does_not_break_the_table() -> None:
    text = render(play(name="p" * 40, workers=1))
    assert max(map(len, text.splitlines())) <= 140


def gates() -> Manifest:
    return {
        "template": {
            "spec": {"schedulingGates": [{"name": "g"}], "containers": [{"name": "x"}]}
        }
    }


def test_a_gated_worker_is_not_bound() -> None:
    timeline = play("until 1m", worker=gates())
    pods = {o["metadata"]["name"]: o for o in timeline.objects if o["kind"] == "Pod"}
    assert "nodeName" not in mapping(pods["pi-worker-0"]["spec"])


def test_a_gated_worker_goes_at_once() -> None:
    timeline = play("at 8s: suspend", worker=gates())
    assert left(timeline, "Pod") == []


# --- One look -----------------------------------------------------------------------


def test_a_look_that_was_too_old_does_nothing() -> None:
    cluster = Cluster(NOON)
    ref = cluster.create(a_manifest())
    decision = decide(cluster, ref, Surroundings())
    cluster.update(
        ref,
        {
            **cluster.objects[ref],
            "metadata": {**cluster.objects[ref]["metadata"], "labels": {"a": "b"}},
        },
    )
    reached = [execution for _, _, execution in carry_out(cluster, decision.execution)]
    assert [execution.end for execution in reached] == [End.LOOK_AGAIN]
    assert list(cluster.objects) == [ref]


@pytest.mark.rule("B8.5")
def test_the_secret_is_filled_when_it_is_sent() -> None:
    cluster = Cluster(NOON)
    ref = cluster.create(a_manifest())
    for _ in carry_out(cluster, decide(cluster, ref, Surroundings()).execution):
        pass
    (secret,) = [value for _, value in cluster.all("Secret")]
    assert secret["data"].keys() == {"ssh-privatekey", "ssh-publickey"}
    assert len(cluster.events) == 1
