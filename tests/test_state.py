# SPDX-License-Identifier: Apache-2.0
"""``mpijob plan`` of a state of a cluster, and of an edit to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from mpijob_operator.yaml_text import texts
from tests.builders import a_manifest
from tests.states import grown, new, printed, said
from tests.tools.source import ROOT

PI = str(ROOT / "examples/01-pi/mpijob.yaml")


@pytest.fixture
def state(tmp_path: Path) -> str:
    """Return a file with a running job of two workers."""
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(workers=2))))
    return str(file)


# --- What is there ------------------------------------------------------------


def test_a_state_alone_is_planned_job_by_job(tmp_path: Path) -> None:
    for name in ("b", "a"):
        job = a_manifest(name)
        (tmp_path / f"{name}.json").write_text(printed(grown(job)))
    done = said("plan", "--observed", str(tmp_path))
    assert done.out.count("There is nothing to do.") == 2
    assert said("plan", "--observed", str(tmp_path), "-n", "other").out == ""


def test_the_order_of_a_state_is_immaterial(tmp_path: Path) -> None:
    objects = grown(a_manifest(workers=2))
    outputs: set[str] = set()
    for number, given in enumerate((objects, objects[::-1])):
        file = tmp_path / f"{number}.json"
        file.write_text(printed(given))
        outputs.add(said("plan", "--observed", str(file)).out)
    assert len(outputs) == 1


def test_a_state_is_several_documents_too(tmp_path: Path) -> None:
    file = tmp_path / "state.yaml"
    file.write_text("".join(texts(grown(a_manifest()))))
    assert "There is nothing to do." in said("plan", "--observed", str(file)).out


def test_what_is_in_a_state_twice_is_warned_of(tmp_path: Path) -> None:
    objects = grown(a_manifest())
    file = tmp_path / "state.json"
    file.write_text(printed([*objects, objects[1]]))
    done = said("plan", "--observed", str(file))
    assert "Service pi is there twice; the later one counts" in done.err


def test_a_state_without_the_job_still_tells_whose_the_children_are(
    tmp_path: Path,
) -> None:
    _, *children = grown(a_manifest(workers=2))
    file = tmp_path / "state.json"
    file.write_text(printed(children))
    words = ("plan", "-f", "-", "--observed", str(file))
    done = said(*words, stdin=new(workers=2))
    assert "its status counts as lost" in done.err
    assert "\n=  Pod        pi-worker-{0..1}" in done.out


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    job = a_manifest()
    file.write_text(printed([{**job, "apiVersion": "kubeflow.org/v1"}]))
    done = said("plan", "--observed", str(file))
    assert done.code == 1
    assert "apiVersion is kubeflow.org/v1, and must be" in done.err


def test_a_state_that_lacks_kinds_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    for kept in (("MPIJob", "Job", "Pod"), ("Pod",)):
        objects = [each for each in grown(a_manifest()) if each["kind"] in kept]
        file.write_text(printed(objects))
        done = said("plan", "-f", "-", "--observed", str(file), stdin=new())
        assert "note: the state has no Service, ConfigMap, Secret at all" in done.err


# --- An edit ------------------------------------------------------------------


def edited(state: str, *words: str, **parts: Any) -> str:  # noqa: ANN401 - those of a_manifest.
    """Return what a plan says of an edit of the job in a state."""
    done = said("plan", "-f", "-", "--observed", state, *words, stdin=new(**parts))
    assert done.code == 0
    return done.out


def test_an_edit_keeps_uid_and_status_and_raises_the_generation(state: str) -> None:
    text = edited(state, "--steps", "-o", "json", workers=1)
    (job,) = json.loads(text)
    status, *_ = job["steps"][0]
    assert status["body"]["metadata"]["uid"] == "pi"
    assert status["body"]["status"]["observedGeneration"] == 2
    assert status["body"]["status"]["startTime"] == "2030-01-01T12:00:00Z"


def test_no_edit_is_nothing_to_do(state: str) -> None:
    assert "There is nothing to do." in edited(state, workers=2)


def test_what_kubectl_applied_and_is_left_out_goes(tmp_path: Path) -> None:
    key = "kubectl.kubernetes.io/last-applied-configuration"
    last = {"spec": {"runPolicy": {"backoffLimit": 3}}, "metadata": {}}
    job = a_manifest(
        policy={"backoffLimit": 3, "suspend": True},
        metadata={"annotations": {key: json.dumps(last), "other": "kept"}},
    )
    file = tmp_path / "state.json"
    file.write_text(printed([job]))
    text = edited(str(file), metadata={"annotations": {"mine": "new"}})
    rows = [line.split() for line in text.splitlines() if line.startswith("spec.")]
    # What kubectl did not apply, `suspend` here, is somebody else's and stays.
    assert rows == [["spec.runPolicy.backoffLimit", "3", "none"]]


@pytest.mark.parametrize("broken", ["{", "[]", "5", "[" * 100_000])
def test_what_cannot_be_read_of_the_last_apply_tells_nothing(
    broken: str, tmp_path: Path
) -> None:
    key = "kubectl.kubernetes.io/last-applied-configuration"
    job = a_manifest(
        policy={"backoffLimit": 3}, metadata={"annotations": {key: broken}}
    )
    file = tmp_path / "state.json"
    file.write_text(printed([job]))
    assert "spec.runPolicy.backoffLimit  3    none" in edited(str(file))


@pytest.mark.rule("B5.8")
def test_who_manages_a_job_cannot_change(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    ours = {"managedBy": "kubeflow.org/mpi-operator"}
    file.write_text(printed([a_manifest(policy=ours)]))
    theirs = new(policy={"managedBy": "kueue.x-k8s.io/multikueue"})
    done = said("plan", "-f", "-", "--observed", str(file), stdin=theirs)
    assert done.code == 1
    assert "spec.runPolicy.managedBy cannot change once it is set" in done.err


def test_a_job_that_newer_rules_refuse_is_planned_as_it_is(tmp_path: Path) -> None:
    job = a_manifest(policy={"backoffLimit": -1})
    file = tmp_path / "state.json"
    file.write_text(printed([job]))
    done = said("plan", "--observed", str(file))
    assert done.code == 1
    assert done.out.startswith("MPIJob hpc/pi: Failed\n")
