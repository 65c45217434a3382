# SPDX-License-Identifier: Apache-2.0
"""What ``mpijob explain`` says of a job and its children.

Each case changes a running job of four workers and reads what is said of it.
"""

import json
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.states import NOW, changed, count, fail, grown, new, printed, said


@pytest.fixture(name="file")
def state_file(tmp_path: Path) -> Path:
    """Return a file with a running job of four workers."""
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(workers=4))))
    return file


def test_a_running_job_is_explained(file: Path) -> None:
    assert (
        said("explain", "--observed", str(file), *NOW).out
        == """\
MPIJob hpc/pi: Running

because: The launcher and every worker run.
looks again: when something changes

CONDITION  STATUS  REASON         SINCE                 MESSAGE
Created    True    MPIJobCreated  2030-01-01T12:00:00Z  MPIJob hpc/pi is created.
Running    True    MPIJobRunning  2030-01-01T12:00:00Z  MPIJob hpc/pi is running.

CHILD         FATE          NAME               THERE
Service       should exist  pi                 exists
ConfigMap     should exist  pi-config          exists
Secret        should exist  pi-ssh             exists
worker Pod    should exist  pi-worker-{0..3}   Running, Ready, on n1
launcher Job  should exist  pi-launcher        exists
launcher Pod  should exist  pi-launcher-x7k2p  Running, Ready, on n1

The launcher is not restarted.
There is nothing to do.
"""
    )


def test_a_starting_job_says_what_it_waits_for(file: Path) -> None:
    job = a_manifest(workers=3, policy={"activeDeadlineSeconds": 5400})
    file.write_text(printed(grown(job, phase="Pending")))
    going = {"deletionTimestamp": "2030-01-01T12:00:00Z"}
    changed(file, "Pod", "pi-worker-1", metadata=going, status={"phase": "Running"})
    text = said("explain", "--observed", str(file), *NOW).out
    late = "pi-worker-0 (Pending, on n1), pi-worker-1 (Running, on n1, terminating)"
    assert f"\nwaits for: {late}, pi-worker-2 (Pending, on n1)\n" in text
    assert "\nlooks again: in 1h 30m, at 2030-01-01T13:30:00Z, or when" in text
    assert "  pi-worker-1        Running, on n1, terminating\n" in text


def test_a_job_whose_workers_run_waits_for_its_launcher(file: Path) -> None:
    changed(file, "Pod", "pi-launcher-x7k2p", status={"phase": "Pending"})
    assert "\nwaits for: the launcher\n" in said("explain", "--observed", str(file)).out


@pytest.mark.rule("B8.1")
def test_a_child_of_somebody_else_s_is_explained(file: Path) -> None:
    changed(file, "Service", "pi", metadata={"ownerReferences": []})
    text = said("explain", "--observed", str(file), *NOW).out
    assert "  pi                 exists, and is not this job's\n" in text
    assert "Blocked: exists already and is not this MPIJob's: Service pi" in text


def test_a_failed_worker_is_explained(file: Path) -> None:
    fail(file, "pi-worker-1")
    count(file, "pi-worker-1")
    changed(file, "Pod", "pi-worker-1", status={"reason": "Evicted"})
    text = said("explain", "--observed", str(file), *NOW).out
    assert "Failed, on n1, failure 1, Evicted" in text


def test_the_launcher_s_end_is_explained(file: Path) -> None:
    done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    changed(file, "Job", "pi-launcher", status=done)
    text = said("explain", "--observed", str(file), *NOW).out
    assert "pi-launcher        Complete, 1 succeeded\n" in text


def test_nothing_there_is_said_of_each_child() -> None:
    text = said("explain", "-f", "-", stdin=new(policy={"suspend": True})).out
    assert "\nworker Pod    should go     -          nothing is there\n" in text
    assert "\nConfigMap     should exist  pi-config  missing\n" in text
    assert "\nRequests left to send: 6; mpijob plan --steps, asked the " in text


@pytest.mark.rule("B7.5")
def test_a_group_is_explained(tmp_path: Path) -> None:
    notes = {"training.kubeflow.org/gang-scheduling": "volcano"}
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(metadata={"annotations": notes}))))
    text = said("explain", "--observed", str(file), *NOW).out
    assert "\nPodGroup      should exist  pi                 exists\n" in text


@pytest.mark.rule("B5.8")
def test_a_job_of_another_controller_s_is_explained() -> None:
    theirs = {"managedBy": "kueue.x-k8s.io/multikueue"}
    text = said("explain", "-f", "-", stdin=new(policy=theirs)).out
    assert "\nbecause: spec.runPolicy.managedBy names another controller.\n" in text
    assert "CONDITION" not in text
    assert "\nAnother controller's job: it is not touched.\n" in text


# --- What the cluster says ----------------------------------------------------

UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
}


def waiting(reason: str, message: str = "") -> dict[str, object]:
    """Return a status of a container that does not start."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "mpi", "state": state}


def test_why_a_pod_does_not_run_is_told_in_the_clusters_words(file: Path) -> None:
    held = {"phase": "Pending", "conditions": [UNSCHEDULABLE]}
    begins: dict[str, object] = {"phase": "Pending", "conditions": []}
    pulled = {**begins, "containerStatuses": [waiting("ImagePullBackOff")]}
    started = {**begins, "containerStatuses": [waiting("ContainerCreating")]}
    crashed = waiting("CrashLoopBackOff", "back-off 5m0s restarting")
    changed(file, "Pod", "pi-worker-0", status=held)
    changed(file, "Pod", "pi-worker-1", status=pulled)
    changed(file, "Pod", "pi-worker-2", status=started)
    launcher = {"phase": "Running", "conditions": [], "containerStatuses": [crashed]}
    changed(file, "Pod", "pi-launcher-x7k2p", status=launcher)
    text = said("explain", "--observed", str(file), *NOW).out
    gpu = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    assert f"pi-worker-0 (Pending, on n1, Unschedulable: {gpu})" in text
    assert "pi-worker-1 (Pending, on n1, container mpi: ImagePullBackOff)" in text
    assert "pi-worker-2 (Pending, on n1)" in text
    crash = "container mpi: CrashLoopBackOff: back-off 5m0s restarting"
    assert f"pi-launcher-x7k2p  Running, on n1, {crash}" in text


@pytest.mark.rule("B4.1")
def test_a_job_that_is_blocked_is_so_until_it_was_tried_again(file: Path) -> None:
    """Only the operator hears a refusal: whoever asks later has the status alone."""
    said_before = 'worker Pod pi-worker-3: pods "pi-worker-3" is forbidden: no: really'
    blocked = {
        "type": "Blocked",
        "status": "True",
        "reason": "QuotaExceeded",
        "message": said_before,
        "lastTransitionTime": "2030-01-01T12:00:00Z",
        "lastUpdateTime": "2030-01-01T12:00:00Z",
    }
    objects = json.loads(file.read_text())
    items = [v for v in objects["items"] if v["metadata"]["name"] != "pi-worker-3"]
    for value in items:
        if value["kind"] == "MPIJob":
            value["status"]["conditions"].append(blocked)
    file.write_text(json.dumps({**objects, "items": items}))
    text = said("explain", "--observed", str(file), *NOW).out
    assert "Blocked    True    QuotaExceeded" in text
    assert said_before in text
