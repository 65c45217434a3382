# SPDX-License-Identifier: Apache-2.0
"""Words and pages: plain in a pipe, in colour and wrapped on a terminal."""

import io
import re
from pathlib import Path
from typing import Any

import pytest

from mpijob_operator import words
from mpijob_operator.cli import main
from mpijob_operator.differences import shown
from mpijob_operator.page import Heading, Sentences, Table, plain
from mpijob_operator.page import show as show_page
from mpijob_operator.streams import Streams
from tests.builders import a_job, a_manifest
from tests.states import NOW, count, fail, grown, new, printed, said


@pytest.fixture(name="file")
def state_file(tmp_path: Path) -> Path:
    """Return a file with a running job of four workers."""
    file = tmp_path / "state.json"
    file.write_text(printed(grown(a_manifest(workers=4))))
    return file


def test_a_child_without_anything_is_described() -> None:
    job = a_job()
    pod: dict[str, Any] = {"kind": "Pod", "spec": {}}
    assert words.what(pod, job) == "no image"
    assert words.what({"kind": "Event"}, job) == ""
    workload = said(
        "plan", "-f", "-", "--gang-scheduling", "kubernetes", stdin=new()
    ).out
    assert "\nWorkload   pi           what the PodGroup is made after\n" in workload


def test_a_page_in_a_pipe_is_plain() -> None:
    page = (Heading("a\tb"), Table(("A", "B"), (("x", "yy"),)), Sentences(("One.",)))
    assert list(plain(page)) == ["a\\tb", "", "A  B", "x  yy", "", "One."]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Streams:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Streams(io.BytesIO(), Terminal(), Terminal())


def written(streams: Streams) -> str:
    assert isinstance(streams.stdout, io.StringIO)
    return streams.stdout.getvalue()


def test_a_page_on_a_terminal_has_colour_and_wraps(terminal: Streams) -> None:
    rows = (("+", "Pod", "[b]pi[/b]", "word " * 30), ("-", "Job", "pi", ":smile:"))
    page = (Heading("A job"), Table(("", "KIND", "NAME", "WHAT"), rows))
    show_page((*page, Sentences(("One.", "Two."))), terminal)
    text = written(terminal)
    assert "\x1b[1mA job\x1b[0m" in text
    assert "\x1b[32m" in text
    assert "[b]pi[/b]" in text
    assert ":smile:" in text
    lines = re.sub(r"\x1b\[[0-9]*m", "", text).splitlines()
    assert max(map(len, lines)) <= 60


def test_a_terminal_without_colour_has_tables(
    terminal: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    show_page((Table(("", "KIND"), (("+", "Pod"),)), Heading("x")), terminal)
    assert "\x1b[32m" not in written(terminal)
    assert "Pod" in written(terminal)


def test_a_difference_on_a_terminal_has_colour(file: Path, terminal: Streams) -> None:
    fail(file, "pi-worker-1")
    count(file, "pi-worker-1")
    main(("plan", "--observed", str(file), "-o", "diff", *NOW), terminal)
    goes = "- Pod hpc/pi-worker-1 (it failed and is replaced)"
    assert f"\x1b[31m{goes}\x1b[0m" in written(terminal)


def test_lines_are_counted_in_a_cell() -> None:
    assert shown("a\nb\n") == "2 lines"
