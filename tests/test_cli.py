# SPDX-License-Identifier: Apache-2.0
"""The command line: its commands, how they end, and the small ones whole.

``plan`` has ``test_plan.py``, ``test_state.py`` and ``test_render.py``; what bad input
is answered is in ``test_bad_input.py``.
"""

import json
import subprocess
import sys
from importlib import metadata
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import yaml

import mpijob_crd
from mpijob_operator import cli, streams
from tests.builders import a_manifest
from tests.states import grown, new, printed, said
from tests.tools.source import ROOT

PI = str(ROOT / "examples/01-pi/mpijob.yaml")


def test_the_commands_are_listed_without_arguments() -> None:
    listed = said()
    assert listed.code == 0
    assert all(f"\n  {name} " in listed.out for name in cli.COMMANDS)
    assert said("--help").out == said("help").out == listed.out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(name, "--help").code == 0
    assert f"usage: mpijob {name}" in capsys.readouterr().out


def test_the_version_is_the_distribution_s() -> None:
    assert said("--version").out == f"mpijob {metadata.version('mpijob')}\n"


def test_completion_finds_every_command_and_option() -> None:
    text = cli.parser().format_help()
    assert all(name in text for name in cli.COMMANDS)
    arguments = cli.parser().parse_args(["plan", "-f", "a", "b", "-f", "c"])
    assert arguments.filename == [["a", "b"], ["c"]]


def test_the_width_is_the_terminal_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    cli.columns.cache_clear()
    assert cli.columns() == 200
    monkeypatch.setenv("COLUMNS", "")
    cli.columns.cache_clear()
    assert cli.columns() > 0


@pytest.mark.rule("B1.6")
def test_crd_prints_the_crd() -> None:
    assert said("crd").out == mpijob_crd.text()
    crd = json.loads(said("crd", "-o", "json").out)
    assert crd == yaml.safe_load(mpijob_crd.text())


def test_a_package_is_a_program_too() -> None:
    words = [sys.executable, "-m", "mpijob_operator", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mpijob ")


def test_a_plan_starts_without_what_it_does_not_need() -> None:
    slow = {"cryptography", "deepdiff", "jsonschema_rs", "kubernetes", "rich", "shutil"}
    program = (
        "import sys; from mpijob_operator.cli import main;"
        f" main(['plan', '-f', {PI!r}]); print(*sorted(sys.modules), file=sys.stderr)"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not slow & set(done.stderr.split())


# --- explain and simulate -----------------------------------------------------


def test_one_job_of_a_state_is_explained_by_name(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(printed([*grown(a_manifest("a")), *grown(a_manifest("b"))]))
    for name in ("b", "hpc/b"):
        done = said("explain", name, "--observed", str(file))
        assert done.out.startswith("MPIJob hpc/b: Running\n")
        assert "hpc/a" not in done.out
    done = said("explain", "c", "--observed", str(file))
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: there is no MPIJob c",
        "hint: there are hpc/a, hpc/b",
    ]


def test_what_cannot_be_read_is_not_explained() -> None:
    assert said("explain", "--observed", "missing.yaml").code == 1


def test_a_life_is_played() -> None:
    done = said("simulate", "-f", PI)
    assert done.code == 0
    assert done.out.startswith("MPIJob default/pi\n\nTIME ")
    assert "tells MPIJobSucceeded" in done.out


def test_several_lives_are_played_one_after_the_other() -> None:
    done = said("simulate", "-f", PI, "-", stdin=new(name="b"))
    assert done.out.count("\nTIME ") == 2


def test_a_script_changes_a_life(tmp_path: Path) -> None:
    script = tmp_path / "events.txt"
    script.write_text("5s after Running: suspend\n")
    done = said("simulate", "-f", PI, "--events", str(script))
    assert "tells MPIJobSuspended" in done.out
    again = said("simulate", "-f", PI, "--events", "-", stdin=script.read_bytes())
    assert again.out == done.out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"at 3: suspend\n", ":1: 3 is no span of time", id="no unit"),
        pytest.param(b"\xff\n", ": this is not UTF-8 text", id="no text"),
        pytest.param(b"#" * (1 << 20) + b"#", ": this is larger", id="too large"),
        pytest.param(None, ": there is no such file", id="missing"),
    ],
)
def test_a_script_that_cannot_be_used(
    content: bytes | None, expected: str, tmp_path: Path
) -> None:
    script = tmp_path / "events.txt"
    if content is not None:
        script.write_bytes(content)
    done = said("simulate", "-f", PI, "--events", str(script))
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"error: {script}{expected}")


def test_a_script_that_cannot_be_read(tmp_path: Path) -> None:
    done = said("simulate", "-f", PI, "--events", str(tmp_path))
    assert done.err == f"error: {tmp_path}: cannot be read: is a directory\n"


# --- Streams ------------------------------------------------------------------


def test_colour_is_for_terminals_whose_user_likes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert streams.wants_colour(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not streams.wants_colour(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not streams.wants_colour(Terminal())


class Broken(StringIO):
    """A stream whose reader has left; no file stands behind it."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_reader_who_leaves_needs_no_file_to_let_go_of() -> None:
    given = streams.Streams(BytesIO(), Broken(), StringIO())
    assert cli.main(["crd"], given) == cli.PIPE_CLOSED
