# SPDX-License-Identifier: Apache-2.0
"""The hosts of examples/06-embedding, and the documents that hosts are written from.

README runs the Python host. Go is not on every machine: its part is run here, and is
skipped where there is no toolchain.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpijob_operator import hook_request, metacontroller
from tests.metacontroller_double import RESOURCES
from tests.tools import console
from tests.tools.console import ROOT

EXAMPLE = ROOT / "examples/06-embedding"
MANUAL = (ROOT / "docs/hook.md").read_text()

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")


def block(path: Path, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)
    assert found, f"{path.name} has no {language} block"
    return found[1]


@needs_go
@pytest.mark.slow
def test_the_go_host_does_what_its_readme_shows() -> None:
    ((command, expected),) = console.commands(block(EXAMPLE / "README.md", "text"))
    assert console.output_of(f"export GOFLAGS=-mod=mod; {command}") == expected


@needs_go
def test_the_go_host_is_laid_out_as_go_is() -> None:
    done = subprocess.run(
        ["gofmt", "-l", "."], cwd=EXAMPLE / "go", check=True, capture_output=True
    )
    assert done.stdout == b""


def test_the_go_host_needs_the_standard_library_alone() -> None:
    assert "require" not in (EXAMPLE / "go/go.mod").read_text()


def fields(part: str) -> list[str]:
    return list(hook_request.schema()["$defs"][part]["properties"])


@pytest.mark.parametrize("field", sorted({*fields("request"), *fields("answer")}))
def test_the_manual_has_every_field(field: str) -> None:
    rows = [line for line in MANUAL.splitlines() if line.startswith("| ")]
    assert any(f"`{field}`" in row.split("|")[1] for row in rows)


def test_the_manual_has_every_reason_of_a_failure() -> None:
    error = hook_request.schema()["$defs"]["failure"]["properties"]["error"]
    for reason in error["properties"]["reason"]["enum"]:
        assert f"| `{reason}` |" in MANUAL


def test_the_controller_of_the_manual_lists_what_a_sync_needs() -> None:
    controller = yaml.safe_load(block(ROOT / "docs/hook.md", "yaml"))
    rules: list[dict[str, Any]] = controller["spec"]["childResources"]
    listed = {RESOURCES[rule["resource"]] for rule in rules}
    fixed = [rule["resource"] for rule in rules if "updateStrategy" not in rule]
    assert listed == {*metacontroller.CHILD_KINDS, "Secret.v1"}
    assert fixed == ["secrets"]
    assert controller["spec"]["generateSelector"] is True


def test_the_job_of_the_example_has_nothing_wrong_with_it() -> None:
    job = json.loads((EXAMPLE / "mpijob.json").read_text())
    request = {"version": "v1", "job": job, "world": {"now": "2030-01-01T00:00:00Z"}}
    assert hook_request.question(request).job.malformed == ()
