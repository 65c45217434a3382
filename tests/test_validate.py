# SPDX-License-Identifier: Apache-2.0
"""``mpijob validate``: every problem at once, each with its place."""

import json
from pathlib import Path

import pytest

from tests.states import new, said
from tests.tools.source import ROOT

PI = str(ROOT / "examples/01-pi/mpijob.yaml")


INVALID = sorted((ROOT / "tests/corpus").glob("invalid-*"))


@pytest.mark.rule("B1.5")
@pytest.mark.parametrize("case", INVALID, ids=lambda path: path.name)
def test_an_invalid_case_is_refused_with_a_place_and_a_sentence(case: Path) -> None:
    config = json.loads((case / "case.json").read_text())["config"]
    options = ["--gang-scheduling", config["gangScheduler"] or "none"]
    file = case / "mpijob.yaml"
    done = said("validate", "-f", str(file), *options)
    assert done.code == 1
    assert done.out.startswith(f"error: {file}:")
    assert done.err == ""


def test_findings_are_told_from_the_top_to_the_end() -> None:
    given = (
        "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\nmetadata:\n  name: 5-rooms\n"
        "spec:\n  slotsPerWorker: -1\n  colour: blue\n  mpiReplicaSpecs:\n"
        "    Launcher:\n      template:\n        spec:\n          containers:\n"
        "            - image: pi\n"
    )
    done = said("validate", "-f", "-", stdin=given.encode())
    starts = [line.split(" ")[:3] for line in done.out.splitlines()]
    assert [start for start in starts if start[0] != "hint:"] == [
        ["error:", "stdin:4:", "metadata.name"],
        ["error:", "stdin:6:", "spec.slotsPerWorker"],
        ["warning:", "stdin:7:", "spec.colour"],
        [
            "error:",
            "stdin:13:",
            "spec.mpiReplicaSpecs.Launcher.template.spec.containers[0].name",
        ],
        ["1", "MPIJob,", "3"],
    ]


def test_findings_are_data_too() -> None:
    done = said("validate", "-f", "-", "-o", "json", stdin=new(slotsPerWorker=-1))
    (found,) = json.loads(done.out)
    assert found == {
        "severity": "error",
        "source": "stdin",
        "line": 1,
        "path": "spec.slotsPerWorker",
        "message": "is -1, and must be 0 or more",
        "hint": "",
    }


def test_a_job_given_twice_is_validated_twice() -> None:
    done = said("validate", "-f", PI, PI)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "2 MPIJobs, no errors, 1 warning"


def test_nothing_is_validated_by_half_a_view() -> None:
    assert said("validate", "-f", PI, "--related", "missing.yaml").code == 1
