# SPDX-License-Identifier: Apache-2.0
"""What a reader of a plan or a difference is told.

Each case changes a running job of four workers and reads what is said of it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_manifest, a_template
from tests.states import (
    NOW,
    Object,
    Said,
    changed,
    count,
    fail,
    grown,
    new,
    printed,
    said,
)

NEW_IMAGE = {"template": a_template({"image": "new"})}


@pytest.fixture(name="file")
def state_file(tmp_path: Path) -> Path:
    """Return a file with a running job of four workers."""
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(workers=4))))
    return file


def edited(file: Path, *options: str, **parts: Any) -> Said:  # noqa: ANN401 - those of a_manifest.
    """Plan an edit of the job in a state."""
    words = ("plan", "-f", "-", "--observed", str(file), *NOW, *options)
    return said(*words, stdin=new(**{"workers": 4, **parts}))


# --- An edit ------------------------------------------------------------------


@pytest.mark.rule("B5.7")
def test_scaling_down_names_the_pods_that_go(file: Path) -> None:
    assert (
        edited(file, workers=2).out
        == """\
MPIJob hpc/pi: Running

The launcher and every worker run.

SPEC                                  NOW  THEN
spec.mpiReplicaSpecs.Worker.replicas  4    2

   KIND       NAME              WHAT
-  Pod        pi-worker-{2..3}  replicas is 2
~  ConfigMap  pi-config         hostfile changes; discover_hosts.sh changes
=  Service    pi                as it is
=  Secret     pi-ssh            as it is
=  Pod        pi-worker-{0..1}  as it is
=  Job        pi-launcher       as it is

2 pods go: pi-worker-{2..3}.
The launcher is not restarted.
"""
    )


@pytest.mark.rule("B5.7")
def test_scaling_up_names_the_pods_that_are_made(file: Path) -> None:
    text = edited(file, workers=5).out
    assert "\n+  Pod        pi-worker-4       pi: /usr/sbin/sshd -De\n" in text
    assert "\nRunning  True MPIJobRunning  False MPIJobNotRunning\n" in text
    assert "\nWorker   4 active            5 active\n" in text
    assert "\n1 pod is made: pi-worker-4.\nThe launcher is not restarted.\n" in text


@pytest.mark.rule("B5.9")
def test_a_new_template_is_for_pods_made_from_now_on(file: Path) -> None:
    text = edited(file, worker=NEW_IMAGE).out
    row = "\n=  Pod        pi-worker-{0..3}  keeps the template that it was made from\n"
    assert row in text
    assert text.endswith(
        "\nNo pod is made, and none goes.\nThe launcher is not restarted.\n"
        "pi-worker-{0..3}: made from an older template, and kept; suspend and resume"
        " the job for the new one.\n"
    )


@pytest.mark.rule("B5.9")
def test_a_new_launcher_template_leaves_the_launcher(file: Path) -> None:
    text = edited(file, launcher=NEW_IMAGE).out
    assert "=  Job        pi-launcher       keeps the template that it" in text
    assert "\npi-launcher: made from an older template, and kept;" in text


@pytest.mark.rule("B6.1")
def test_suspending_stops_the_launcher_first(file: Path) -> None:
    text = edited(file, policy={"suspend": True}).out
    assert "\n~  Job        pi-launcher       is stopped\n" in text
    assert text.endswith(
        "\nThe launcher is stopped.\n"
        "When the launcher Job has stopped, it goes, and every worker with it.\n"
    )


@pytest.mark.rule("B1.7")
def test_an_edit_that_makes_the_spec_invalid_holds_everything(file: Path) -> None:
    volume: dict[str, Any] = {"name": "ssh-auth", "emptyDir": {}}
    done = edited(file, worker={"template": a_template(volumes=[volume])})
    assert done.code == 1
    assert done.out.startswith("MPIJob hpc/pi: Held\n")
    assert "Nothing is made, changed or deleted until the spec is mended." in done.out
    assert "\nBlocked: spec.mpiReplicaSpecs.Worker.template.spec.volumes" in done.out


def test_an_edit_of_much_is_cut(file: Path) -> None:
    env = [{"name": f"V{number}", "value": "x"} for number in range(30)]
    worker = {"template": a_template({"env": env}, **{f"f{n}": n for n in range(30)})}
    assert "\nand 11 more" in edited(file, worker=worker).out


# --- What is there ------------------------------------------------------------


def test_somebody_s_edit_of_a_child_is_put_back(file: Path) -> None:
    changed(file, "Service", "pi", spec={"publishNotReadyAddresses": True})
    text = said("plan", "--observed", str(file), *NOW).out
    row = "~  Service    pi                spec.publishNotReadyAddresses true -> false"
    assert f"\n{row}\n" in text


@pytest.mark.rule("B8.1")
def test_labels_that_are_missing_are_given(file: Path) -> None:
    for kind, name in (("Job", "pi-launcher"), ("Service", "pi")):
        changed(file, kind, name, metadata={"labels": {}})
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\n~  Job        pi-launcher       gets our labels\n" in text
    assert "\n~  Service    pi                gets our labels\n" in text
    assert "\nThe launcher is not restarted.\n" in text


@pytest.mark.rule("B4.9", "B5.3")
def test_a_failed_worker_is_counted_and_then_replaced(file: Path) -> None:
    fail(file, "pi-worker-1")
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\n~  Pod        pi-worker-1       counts as failure 1\n" in text
    count(file, "pi-worker-1")
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\nWorker   4 active            4 active, 1 failed\n" in text
    assert "\n-  Pod        pi-worker-1       it failed and is replaced\n" in text
    assert "\n1 pod goes: pi-worker-1.\n" in text


@pytest.mark.rule("B5.2")
def test_a_launcher_that_is_gone_starts_again(file: Path) -> None:
    objects = json.loads(file.read_text())["items"]
    gone = ("pi-launcher", "pi-launcher-x7k2p")
    file.write_text(printed(o for o in objects if o["metadata"]["name"] not in gone))
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\n+  Job        pi-launcher       pi\n" in text
    assert "\nThe launcher starts.\n" in text


@pytest.mark.rule("B6.1")
def test_a_launcher_that_somebody_suspended_is_told_to_go_on(file: Path) -> None:
    long_ago = {"lastTransitionTime": "2030-01-01T11:00:00Z"}
    stopped = [{"type": "Suspended", "status": "True", **long_ago}]
    changed(file, "Job", "pi-launcher", status={"conditions": stopped})
    changed(file, "Job", "pi-launcher", spec={"suspend": True})
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\n~  Job        pi-launcher       is told to go on\n" in text
    assert "\nThe launcher is told to go on.\n" in text


@pytest.mark.rule("B6.1")
def test_a_launcher_that_stopped_goes_with_the_workers(file: Path) -> None:
    stopped = [{"type": "Suspended", "status": "True"}]
    told, status = {"suspend": True}, {"conditions": stopped}
    changed(file, "Job", "pi-launcher", spec=told, status=status)
    text = edited(file, policy={"suspend": True}).out
    assert "\n4 pods go: pi-worker-{0..3}.\n" in text
    assert "\nThe launcher goes: the job is suspended.\n" in text


@pytest.mark.rule("B4.8")
def test_a_failure_is_explained(file: Path) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    changed(file, "Job", "pi-launcher", status={"conditions": [failed]})
    fail(file, "pi-launcher-x7k2p")
    text = ""
    for command in ("plan", "explain"):
        text = said(command, "--observed", str(file), *NOW).out
        why = "container mpi was OOMKilled (exit code 137, SIGKILL)"
        assert f"pi-launcher-x7k2p on node n1 failed: {why}" in text
    assert "That is final: nothing is made again." in text


@pytest.mark.rule("B5.6")
def test_what_is_over_goes(file: Path) -> None:
    ended = {
        "conditions": [{"type": "Succeeded", "status": "True"}],
        "completionTime": "2030-01-01T11:00:00Z",
    }
    changed(file, "MPIJob", "pi", status=ended)
    changed(file, "MPIJob", "pi", spec={"runPolicy": {"ttlSecondsAfterFinished": 1}})
    text = said("plan", "--observed", str(file), *NOW).out
    row = "-  MPIJob  pi    ttlSecondsAfterFinished is over"
    assert f"\n{row}\n" in text


@pytest.mark.rule("B8.7")
def test_a_field_that_we_applied_once_is_taken_back(file: Path) -> None:
    fields: Object = {"fieldsV1": {"f:spec": {"f:ports": {}}}}
    owned: Object = {"manager": "mpi-operator", "operation": "Apply", **fields}
    changed(file, "Service", "pi", metadata={"managedFields": [owned]})
    text = said("plan", "--observed", str(file), *NOW).out
    assert "\n~  Service    pi                put back as described\n" in text
    text = said("plan", "--observed", str(file), *NOW, "-o", "diff").out
    assert text == "~ Service hpc/pi\n"


# --- A difference -------------------------------------------------------------


def test_a_difference_has_both_sides(file: Path) -> None:
    text = edited(file, "-o", "diff", workers=3, policy={"backoffLimit": 2}).out
    assert (
        text
        == """\
~ MPIJob hpc/pi
    spec.mpiReplicaSpecs.Worker.replicas
  -   4
  +   3
    spec.runPolicy.backoffLimit
  +   2
~ MPIJob hpc/pi, its status
    observedGeneration
  -   1
  +   2
- Pod hpc/pi-worker-3 (replicas is 3)
~ ConfigMap hpc/pi-config
    data.hostfile
      pi-worker-2.pi.hpc.svc slots=1
  -   pi-worker-3.pi.hpc.svc slots=1
    data[discover_hosts.sh]
      echo pi-worker-2.pi.hpc.svc
  -   echo pi-worker-3.pi.hpc.svc
"""
    )


def test_a_difference_shows_whole_what_is_made_and_touched(file: Path) -> None:
    text = edited(file, "-o", "diff", workers=5, policy={"suspend": True}).out
    assert "\n~ Job hpc/pi-launcher\n+   spec:\n+     suspend: true\n" in text
    text = edited(file, "-o", "diff", workers=5).out
    assert "\n+ Pod hpc/pi-worker-4\n+   apiVersion: v1\n+   kind: Pod\n" in text
    running = 'conditions.Running.status\n  -   "True"\n  +   "False"\n'
    assert running in text
    assert "conditions.Running.type" not in text


def test_no_difference_is_nothing(file: Path) -> None:
    assert edited(file, "-o", "diff").out == ""


@pytest.mark.rule("B8.5")
@pytest.mark.parametrize("output", ["text", "yaml", "json", "diff"])
def test_no_observed_key_is_printed(file: Path, output: str) -> None:
    changed(file, "Secret", "pi-ssh", metadata={"labels": {}})
    for done in (
        said("plan", "--observed", str(file), "-o", output),
        said("plan", "--observed", str(file), "--steps"),
        said("explain", "--observed", str(file)),
    ):
        assert "S0VZ" not in done.out + done.err
