# SPDX-License-Identifier: Apache-2.0
"""Sentences are one line, printable, and bounded in bytes, not in characters."""

import pytest

from mpijob.messages import BYTES_MAX, bounded, listed


@pytest.mark.rule("B4.1", "B4.7")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a" * 1024, "a" * 1024, id="just fits"),
        pytest.param("a" * 1025, "a" * 1021 + "...", id="one too long"),
        pytest.param("é" * 512, "é" * 512, id="two bytes a character"),
        pytest.param("é" * 513, "é" * 510 + "...", id="cut on a character"),
        pytest.param("a" * 1020 + "éé漢", "a" * 1020 + "...", id="cut before one"),
        pytest.param("漢" * 9999, "漢" * 340 + "...", id="very long"),
    ],
)
def test_a_message_is_cut_on_a_character(text: str, expected: str) -> None:
    assert bounded(text) == expected
    assert len(bounded(text).encode()) <= BYTES_MAX == 1024


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\r\n\tthree", "one two three"),
        ("  spaced   out  ", "spaced out"),
        ("\x1b[31mred\x00", "[31mred"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("", ""),
    ],
)
def test_a_message_is_one_printable_line(text: str, expected: str) -> None:
    assert bounded(text) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", ""),
        ("a", "a"),
        ("abcde", "a, b, c, d, e"),
        ("abcdef", "a, b, c, d, e and 1 more"),
    ],
)
def test_a_long_list_is_counted(names: str, expected: str) -> None:
    assert listed(names) == expected
