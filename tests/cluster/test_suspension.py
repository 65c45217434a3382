# SPDX-License-Identifier: Apache-2.0
"""Suspending, editing and resuming on a real API server (B6.1, B6.2)."""

import pytest

from tests.controlplane.stage import Json, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]


def rests(stage: Stage) -> bool:
    """Tell whether the job is suspended, and nothing of it left that runs."""
    suspended = stage.has("pi", "Suspended")
    nothing = not stage.pods("pi") and not stage.all("jobs")
    return suspended and nothing and "startTime" not in stage.status("pi")


def image(pod: Json) -> str:
    return str(pod["spec"]["containers"][0]["image"])


@pytest.mark.rule("B6.1", "B4.6", "B4.7")
def test_what_is_edited_while_suspended_counts_when_resumed(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    stage.suspend("pi")
    stage.wait(lambda: rests(stage), "the job is suspended")
    kept = {*stage.all("services"), *stage.all("configmaps"), *stage.all("secrets")}
    assert {"pi", "pi-config", "pi-ssh"} <= kept
    assert stage.active("pi") == {"Launcher": 0, "Worker": 0}
    container = {"name": "main", "image": "example/mpi:2"}
    template = {
        "metadata": {"labels": {"kueue.x-k8s.io/podset": "worker"}},
        "spec": {"containers": [container], "nodeSelector": {"pool": "blue"}},
    }
    roles = {
        "Launcher": {"template": {"spec": {"containers": [container]}}},
        "Worker": {"replicas": 3, "template": template},
    }
    stage.patch("pi", mpiReplicaSpecs=roles, runPolicy={"suspend": False})
    stage.wait_for("pi", "Running")
    stage.wait_quiet()
    pods = stage.pods("pi")
    assert {image(pod) for pod in pods.values()} == {"example/mpi:2"}
    assert len(pods) == 4
    worker = pods["pi-worker-2"]
    assert worker["spec"]["nodeSelector"] == {"pool": "blue"}
    assert worker["metadata"]["labels"]["kueue.x-k8s.io/podset"] == "worker"
    assert stage.events("pi") == [
        "MPIJobCreated",
        "MPIJobRunning",
        "MPIJobSuspended",
        "MPIJobResumed",
        "MPIJobRunning",
    ]


@pytest.mark.rule("B4.5", "B6.1")
def test_a_pod_that_ends_slowly_is_counted_until_it_has(stage: Stage) -> None:
    stage.script("pi-worker-0", stop_s=3.0)
    stage.run(mpijob("pi"))
    stage.suspend("pi")
    stage.wait_for("pi", "Suspended")
    stage.wait(
        lambda: set(stage.pods("pi")) == {"pi-worker-0"}, "one pod is still there"
    )
    assert stage.active("pi")["Worker"] >= 1
    assert stage.status("pi")["startTime"]
    assert stage.pods("pi")
    stage.wait(lambda: rests(stage), "the job is suspended")
    assert stage.active("pi")["Worker"] == 0


@pytest.mark.rule("B6.1")
def test_a_suspension_runs_to_its_end_before_the_next_start(stage: Stage) -> None:
    stage.script("pi-worker-*", stop_s=2.0)
    stage.run(mpijob("pi"))
    before = {pod["metadata"]["uid"] for pod in stage.pods("pi").values()}
    stage.suspend("pi")
    stage.wait_for("pi", "Suspended")
    stage.suspend("pi", suspend=False)
    stage.wait_for("pi", "Suspended", "False")
    now = {pod["metadata"]["uid"] for pod in stage.pods("pi").values()}
    assert not now & before
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B6.1", "B6.2")
def test_a_launcher_that_somebody_suspends_is_resumed(stage: Stage) -> None:
    stage.run(mpijob("pi"))
    change = {"spec": {"suspend": True}}
    stage.client.merge(stage.path("jobs", "pi-launcher"), change).expect(200)
    stage.wait(
        lambda: stage.all("jobs")["pi-launcher"]["spec"]["suspend"] is False,
        "the launcher is resumed",
    )
    stage.wait_for("pi", "Running")


@pytest.mark.rule("B6.1")
def test_suspending_a_finished_job_changes_nothing(stage: Stage) -> None:
    stage.script("pi-launcher-*", run_s=0.0)
    stage.operator().start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()
    before, pods = stage.status("pi"), stage.pods("pi")
    stage.suspend("pi")
    stage.wait_quiet()
    after = stage.status("pi")
    assert after["conditions"] == before["conditions"]
    assert set(stage.pods("pi")) == set(pods)


@pytest.mark.rule("B6.2", "B1.7")
def test_a_job_submitted_suspended_makes_no_pod(stage: Stage) -> None:
    stage.operator().start()
    stage.submit(mpijob("pi", runPolicy={"suspend": True}))
    stage.wait_for("pi", "Suspended")
    stage.wait_quiet()
    assert not stage.pods("pi")
    assert not stage.all("jobs")
    assert not any(stage.active("pi").values())
