# SPDX-License-Identifier: Apache-2.0
"""What a newcomer types before reading the manual, and the sentence that helps on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.states import grown, new, printed, said

MPIJOB = "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\n"
A_NUMBER = "is a number, and must be text"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(
            ["plan", "pi.yaml"],
            [
                "error: mpijob plan takes no argument pi.yaml",
                "hint: name a manifest with -f: mpijob plan -f pi.yaml",
            ],
            id="a file without -f",
        ),
        pytest.param(
            ["simulate", "pi.yaml"],
            [
                "error: the following arguments are required: -f/--filename",
                "hint: name a manifest: mpijob simulate -f FILE",
            ],
            id="a file without the -f that must be there",
        ),
        pytest.param(
            ["plan", "-f", "-", "--observed", "-"],
            [
                "error: stdin is asked for twice",
                "hint: it can be read once: name a file",
            ],
            id="stdin for two things",
        ),
    ],
)
def test_a_command_line_is_mended_by_its_hint(
    words: list[str], expected: list[str]
) -> None:
    done = said(*words)
    assert done.code == 2
    assert done.lines() == expected


def test_an_address_is_not_fetched() -> None:
    assert said("plan", "-f", "https://example.org/pi.yaml").lines() == [
        "error: https://example.org/pi.yaml: there is no such file",
        "hint: nothing is fetched: pipe what curl prints into -f -",
    ]


def test_a_line_that_slipped_is_an_indentation_to_check() -> None:
    slipped = f"{MPIJOB}metadata:\n name: pi\n  labels: {{}}\n"
    error, hint = said("plan", "-f", "-", stdin=slipped.encode()).lines()
    assert error.startswith("error: stdin:5: this is not YAML: mapping values")
    assert hint.endswith(", or check the indentation of the lines around it")


@pytest.mark.parametrize("field", ["name", "namespace", "labels.a", "annotations.a"])
def test_a_number_in_the_metadata_is_called_one(field: str) -> None:
    key, _, inner = field.partition(".")
    given = new(metadata={key: {inner: 7} if inner else 7})
    done = said("plan", "-f", "-", stdin=given)
    assert done.code == 1
    assert f"error: stdin:1: metadata.{field} {A_NUMBER}\n" in done.err


@pytest.mark.parametrize("field", ["cleanPodPolicy", "suspend", "backoffLimit"])
def test_a_field_a_level_too_high_is_told_where_it_belongs(field: str) -> None:
    given = f"{MPIJOB}metadata: {{name: pi}}\nspec:\n  {field}: null\n"
    lines = said("validate", "-f", "-", stdin=given.encode()).out.splitlines()
    dropped = "is not a field that the schema knows, and is dropped"
    at = lines.index(f"warning: stdin:5: spec.{field} {dropped}")
    assert lines[at + 1] == "hint: it belongs under runPolicy"


# --- A job named to `explain` ---------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> str:
    """Return a file with a job that runs."""
    path = tmp_path / "state.yaml"
    path.write_text(printed(grown(a_manifest())), "utf-8")
    return str(path)


def test_a_name_after_an_option_is_told_where_it_goes(state: str) -> None:
    done = said("explain", "--observed", state, "pi")
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: pi: there is no such file",
        "note: if pi is the name of a job, an option took it",
        "hint: write it first: mpijob explain pi ...",
    ]
    assert said("explain", "pi", "--observed", state).code == 0


def test_a_name_that_is_first_was_not_taken(state: str) -> None:
    done = said("explain", "pi", "--observed", state, "gone.yaml")
    assert done.err.startswith("error: gone.yaml: there is no such file\n")
    assert "an option took it" not in done.err


def test_usage_puts_the_name_where_it_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said("explain", "--help")
    assert capsys.readouterr().out.startswith("usage: mpijob explain [NAME] [-f FILE")


def test_names_left_out_of_a_hint_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    jobs = [a_manifest(metadata={"name": name, "uid": name}) for name in "abcdefg"]
    path.write_text(printed(jobs), "utf-8")
    hint = said("explain", "x", "--observed", str(path)).err.splitlines()[-1]
    assert hint.startswith("hint: there are ")
    assert hint.endswith("/e and 2 more")


# --- A script for `simulate` ---------------------------------------------------------


def test_help_has_every_sentence_of_a_script(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said("simulate", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "launcher exits CODES; pods start in TIME;" in text
    assert "evict worker INDEX; preempt worker INDEX;" in text


@pytest.mark.parametrize(
    "line", ["at 5s evict worker 1", "when Running suspend", "5s after Running resume"]
)
def test_a_colon_left_out_is_missed(line: str, tmp_path: Path) -> None:
    (tmp_path / "pi.yaml").write_bytes(new())
    manifest = str(tmp_path / "pi.yaml")
    done = said("simulate", "-f", manifest, "--events", "-", stdin=line.encode())
    assert done.lines() == [
        f"error: stdin:1: cannot read '{line}'",
        "hint: a colon follows the time, as in at 30s: suspend",
    ]


# --- Streams that were closed before we began ----------------------------------------


def closed(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command line under a shell that closes one of its streams."""
    script = f'exec "$0" -m mpijob_operator "$@" {redirection}'
    command = ["sh", "-c", script, sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_no_stdin_is_an_empty_one() -> None:
    done = closed("<&-", "plan", "-f", "-")
    assert done.returncode == 1
    assert done.stderr.startswith("error: stdin: there is no object in it\n")


def test_no_stdout_cannot_be_written() -> None:
    done = closed(">&-", "crd")
    assert done.returncode == 1
    assert done.stderr == "error: cannot write: bad file descriptor\n"


def test_no_stderr_hears_nothing() -> None:
    done = closed("2>&-", "plan")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
