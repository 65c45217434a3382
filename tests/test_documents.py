# SPDX-License-Identifier: Apache-2.0
"""Every document runs.

The blocks themselves are collected from the documents by ``conftest.py``: a ``console``
block is run and compared, a ``python`` block is executed. This module looks after what
that leaves open: that no block escapes, and that a wrong block is noticed.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.tools.console import ROOT, commands, matches, output_of

DOCUMENTS = sorted(
    [
        *ROOT.glob("README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
)
FENCED = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"skip: *(?:next|start)(?!.*(?:reason=)?\"[^\"]{8,}\")")
# Run, or read as data by this module, or words that nobody claims to have run.
KNOWN_LANGUAGES = {"console", "python", "yaml", "json", "text"}


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=label)
def test_no_block_of_a_document_escapes(path: Path) -> None:
    languages = {language for language, _ in FENCED.findall(path.read_text())}
    assert languages <= KNOWN_LANGUAGES, (
        "nobody runs these blocks: make them `console` (run and compared), `python`, "
        f"`yaml` or `json`, or `text`: {sorted(languages - KNOWN_LANGUAGES)}"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=label)
def test_what_a_document_shows_as_data_can_be_read(path: Path) -> None:
    for language, block in FENCED.findall(path.read_text()):
        if language == "yaml":
            list(yaml.safe_load_all(block))
        elif language == "json":
            json.loads(block)


@pytest.mark.parametrize("path", DOCUMENTS, ids=label)
def test_a_block_that_is_not_run_says_why(path: Path) -> None:
    silent = [line for line in path.read_text().splitlines() if SKIP.search(line)]
    assert not silent, f'add reason="..." to: {silent}'


def test_a_command_comes_with_what_it_prints() -> None:
    assert list(commands("$ echo a\na\n$ true\n")) == [("echo a", "a"), ("true", "")]


def test_a_block_without_a_command_is_refused() -> None:
    with pytest.raises(AssertionError, match="begins with"):
        list(commands("just words\n$ true\n"))


def test_both_streams_are_compared() -> None:
    assert output_of("echo out; echo err >&2") == "out\nerr"


def test_commands_start_at_the_top_of_the_checkout() -> None:
    assert output_of("test -f pyproject.toml && echo here") == "here"


def test_a_command_that_would_start_the_tests_is_only_looked_up() -> None:
    assert output_of("make test") == ""


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        pytest.param("a\nb", "a\nb", True, id="equal"),
        pytest.param("a", "a\nb", False, id="one line more"),
        pytest.param("a\n...", "a\nb\nc", True, id="dots at the end"),
        pytest.param("...\nc", "a\nb\nc", True, id="dots at the start"),
        pytest.param("...", "", True, id="dots for nothing"),
        pytest.param("", "a", False, id="silence said, words printed"),
        pytest.param("a.c", "abc", False, id="a dot is a dot"),
    ],
)
def test_three_dots_stand_for_any_lines(expected: str, actual: str, same: bool) -> None:
    assert matches(expected, actual) is same
