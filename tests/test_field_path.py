# SPDX-License-Identifier: Apache-2.0
"""How a path into an object is written, and how text is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpijob_operator.field_path import Path, parse_path, path_text, printable, type_word

PATHS: dict[str, Path] = {
    "": (),
    "spec": ("spec",),
    "spec.containers[0].env[3].name": ("spec", "containers", 0, "env", 3, "name"),
    "metadata.labels[app.kubernetes.io/name]": (
        "metadata",
        "labels",
        "app.kubernetes.io/name",
    ),
    "data.0": ("data", "0"),
    "[0].a": (0, "a"),
    "data[with space]": ("data", "with space"),
    'data[""]': ("data", ""),
    'data["a]b"].c': ("data", "a]b", "c"),
    'data["line\\nfeed"]': ("data", "line\nfeed"),
}


@pytest.mark.parametrize(("text", "path"), PATHS.items())
def test_a_path_and_its_text_are_each_other(text: str, path: Path) -> None:
    assert path_text(path) == text
    assert parse_path(text) == path


@given(st.lists(st.text() | st.integers(0, 99)))
def test_no_path_is_lost_in_its_text(path: list[str | int]) -> None:
    """What is written of any path leads back to it, and is one line of print."""
    text = path_text(tuple(path))
    assert parse_path(text) == tuple(path)
    assert text.isprintable()


@given(st.text())
def test_any_text_is_read_as_far_as_it_is_a_path(text: str) -> None:
    """A text that is no path makes nothing fail."""
    parse_path(text)


@given(st.text(), st.integers(5, 50))
def test_what_is_shown_moves_no_cursor(text: str, limit: int) -> None:
    """Shown text has no control characters, and no more characters than its limit."""
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (0.5, "a number"),
        ("a", "text"),
        ([], "a list"),
        ((), "a list"),
        ({}, "an object"),
    ],
)
def test_a_value_has_the_name_that_json_gives_it(value: object, word: str) -> None:
    assert type_word(value) == word
