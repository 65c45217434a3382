# SPDX-License-Identifier: Apache-2.0
"""Sentences are one line, printable, and bounded in bytes, not in characters."""

import pytest

from mpijob.messages import BYTES_MAX, bounded, listed
from tests.builders import cases


@pytest.mark.rule("B4.1", "B4.7")
@cases("text, expected", {
    "just fits": ("a" * 1024, "a" * 1024),
    "one too long": ("a" * 1025, "a" * 1021 + "..."),
    "two bytes a character": ("é" * 512, "é" * 512),
    "cut on a character": ("é" * 513, "é" * 510 + "..."),
    "cut before one": ("a" * 1020 + "éé漢", "a" * 1020 + "..."),
    "very long": ("漢" * 9999, "漢" * 340 + "..."),
})  # fmt: skip
def test_a_message_is_cut_on_a_character(text: str, expected: str) -> None:
    assert bounded(text) == expected
    assert len(bounded(text).encode()) <= BYTES_MAX == 1024


@pytest.mark.parametrize(("text", "expected"), [
    ("one\ntwo\r\n\tthree", "one two three"),
    ("  spaced   out  ", "spaced out"),
    ("\x1b[31mred\x00", "[31mred"),
    ("lone \ud800 surrogate", "lone surrogate"),
    ("", ""),
])  # fmt: skip
def test_a_message_is_one_printable_line(text: str, expected: str) -> None:
    assert bounded(text) == expected


@pytest.mark.parametrize(("names", "expected"), [
    ("", ""),
    ("a", "a"),
    ("abcde", "a, b, c, d, e"),
    ("abcdef", "a, b, c, d, e and 1 more"),
])  # fmt: skip
def test_a_long_list_is_counted(names: str, expected: str) -> None:
    assert listed(names) == expected
