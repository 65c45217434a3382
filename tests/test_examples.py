# SPDX-License-Identifier: Apache-2.0
"""Every example is a test: its job is planned, its plan is compared.

``ACCEPT=1 pytest tests/test_examples.py`` rewrites the plans; read the diff.
"""

import os
from pathlib import Path

import pytest

from tests.states import said
from tests.tools.source import ROOT

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/mpijob.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example: Path) -> None:
    planned = said("plan", "-f", str(example / "mpijob.yaml"))
    expected = example / "plan.txt"
    if os.environ.get("ACCEPT"):
        expected.write_text(planned.out)
    assert planned.code == 0
    assert planned.out == expected.read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_an_example_to_follow(example: Path) -> None:
    found = said("validate", "-f", str(example / "mpijob.yaml"))
    assert found.lines() == ["1 MPIJob, no errors, no warnings"]


def test_each_example_says_what_it_is_about() -> None:
    silent = [path.name for path in EXAMPLES if not (path / "README.md").exists()]
    assert not silent
