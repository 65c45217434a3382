# SPDX-License-Identifier: Apache-2.0
"""What is written down of an operator, asked again; and a cluster, asked live."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.stage import USER, Stage, mpijob

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mpijob_operator", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def a_whole_life(stage: Stage, folder: Path) -> None:
    """Let a job start, be suspended, go on and succeed, all of it recorded."""
    folder.mkdir()
    operator = stage.operator(record=str(folder), log_level="debug")
    operator.start()
    stage.submit(mpijob("pi"))
    stage.wait_for("pi", "Running")
    stage.suspend("pi")
    stage.wait(lambda: "startTime" not in stage.status("pi"), "pi is suspended")
    stage.suspend("pi", suspend=False)
    stage.wait_for("pi", "Running")
    stage.script("pi-launcher-*", run_s=0.0)
    stage.wait_for("pi", "Succeeded")
    stage.wait_quiet()


def test_each_recording_is_planned_alike(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    a_whole_life(stage, folder)
    files = sorted(map(str, folder.glob("*.json")))
    assert len(files) > 5
    done = run("replay", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the function plans the same") == len(files)
    # Another answer of the function is told, field by field.
    recording = json.loads(Path(files[0]).read_text())
    recording["request"]["job"]["spec"]["slotsPerWorker"] = 7
    Path(files[0]).write_text(json.dumps(recording))
    done = run("replay", files[0])
    assert done.returncode == 1
    assert "plans something else" in done.stdout


def test_a_live_plan_says_what_the_server_would(stage: Stage, tmp_path: Path) -> None:
    stage.submit(mpijob("pi"))
    job = tmp_path / "other.json"
    job.write_text(json.dumps(mpijob("other")))
    where = ("--kubeconfig", str(stage.plane.kubeconfig()), "-n", stage.namespace)
    before = stage.all("mpijobs")
    done = run("plan", "--live", "--dry-run", "-f", str(job), *where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what the API server would say" in done.stdout
    assert "201" in done.stdout
    done = run("plan", "--live", "--exit-code", *where)
    assert done.returncode == 3, done.stderr
    assert stage.all("mpijobs") == before
    assert stage.all("pods") == {}
    done = run("explain", "pi", "--live", *where)
    assert "Starting" in done.stdout
    refused = mpijob("bad")
    container = refused["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    container["containers"][0]["volumeMounts"] = [{"name": "no", "mountPath": "/x"}]
    job.write_text(json.dumps(refused))
    done = run("plan", "--live", "--dry-run", "-f", str(job), *where)
    assert done.returncode == 1
    assert "422" in done.stdout


def test_what_names_no_namespace_is_of_the_context_s(
    stage: Stage, tmp_path: Path
) -> None:
    stage.submit(mpijob("pi"))
    config = json.loads(stage.plane.kubeconfig().read_text())
    config["contexts"][0]["context"]["namespace"] = stage.namespace
    place = tmp_path / "kubeconfig"
    place.write_text(json.dumps(config))
    where = ("--live", "--kubeconfig", str(place))
    named = f"MPIJob {stage.namespace}/pi"
    assert run("plan", *where).stdout.startswith(named)
    assert "Starting" in run("explain", "pi", *where).stdout
    assert named in run("plan", *where, "--all-namespaces").stdout
    # So is what a manifest asks for, where it names none.
    job = tmp_path / "job.json"
    asked = mpijob("pi", workers=3)
    job.write_text(json.dumps(asked))
    done = run("plan", *where, "-f", str(job))
    assert named in done.stdout
    assert "spec.mpiReplicaSpecs.Worker.replicas" in done.stdout
    asked["metadata"]["namespace"] = "kube-public"
    job.write_text(json.dumps(asked))
    assert "MPIJob kube-public/pi" in run("plan", *where, "-f", str(job)).stdout
    assert "there is no MPIJob" in run("explain", *where, "-n", "default").stderr


def test_a_live_plan_without_a_cluster_says_why(tmp_path: Path) -> None:
    done = run("plan", "--live", "--kubeconfig", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "there is no way to a cluster" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.rule("B8.6")
def test_an_operator_says_all_that_it_may_not(stage: Stage, tmp_path: Path) -> None:
    config = json.loads(stage.plane.kubeconfig(USER).read_text())
    config["users"][0]["user"] = {"token": "of-nobody"}
    path = tmp_path / "nobody.kubeconfig"
    path.write_text(json.dumps(config))
    done = run("run", "--kubeconfig", str(path), "--health-port=0")
    assert done.returncode == 1
    assert "Unauthorized" in done.stderr
    assert "Traceback" not in done.stderr
    # Who may do nothing but ask: everything is named at once.
    lacking = stage.plane.kubeconfig("nobody")
    done = run("run", "--kubeconfig", str(lacking), "--health-port=0")
    assert done.returncode == 1
    assert "these permissions are missing" in done.stderr
    for word in ("list mpijobs", "create pods", "update leases"):
        assert word in done.stderr


def test_a_port_that_is_taken_is_told(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        where = ("--kubeconfig", str(stage.plane.kubeconfig(USER)))
        ports = ("--bind-address=127.0.0.1", f"--health-port={port}")
        done = run("run", *where, *ports)
    assert done.returncode == 1
    assert f"cannot listen on port {port}" in done.stderr
