# SPDX-License-Identifier: Apache-2.0
"""Whole lives in the simulated cluster: the shipped core, the shipped executor.

Each story is a script; what is asserted is what a person would look for in its table.
"""

import itertools

import pytest

from mpijob.job import API_VERSION
from mpijob.loose import Manifest, mapping
from mpijob.status import JobStatus
from mpijob.world import Settings
from mpijob_operator.executor import End
from mpijob_operator.simulation import (
    Script,
    Surroundings,
    Timeline,
    life,
    render,
    simulate,
)
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.operator import carry_out, decide
from mpijob_operator.simulation.timeline import Entry, Moment, clock, rows, state, told
from tests.builders import NOON, a_manifest, cases
from tests.played import happened, left, play, verdict

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
    container = {"name": "x", "image": "y"}
    spec = {"schedulingGates": [{"name": "g"}], "containers": [container]}
    return {"template": {"spec": spec}}


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
