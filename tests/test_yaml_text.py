# SPDX-License-Identifier: Apache-2.0
"""What is written as YAML is read back as it was, by kubectl's rules and by YAML's."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mpijob_operator import kubectl_yaml
from mpijob_operator.yaml_text import text, texts

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ("yes", "No", "0644", "1e3", "~", "", "-", "a: b", "a #b", "1:30", "#", "- a", "=")
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(
    allow_nan=False, allow_infinity=False
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
@example({"a": "x\n"})
@example({"a": "x\n\n"})
@example({"a": " x\n"})
@example({"a": "x\n y \n\nz\n"})
@example({"a": ["x\ny\n", ["z\n"], {"b": "c\n"}]})
@example({"a": "\ufeff"})
@example({"a": "\x85\u2028"})
@example({"a": "\U0001f600"})
@example({"a": "x\t\n"})
@example({"1": [[], {}, [[]]]})
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert kubectl_yaml.value_of(text(value)) == value


@given(st.dictionaries(TEXT, TEXT, max_size=4))
def test_other_readers_agree(value: dict[str, str]) -> None:
    assert yaml.safe_load(text(value)) == value


def test_several_documents_are_parted() -> None:
    assert list(texts([{"a": 1}, {"b": 2}])) == ["a: 1\n", "---\nb: 2\n"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param({"a": {}}, "a: {}\n", id="an empty object"),
        pytest.param(
            {"a": [{"b": 1, "c": [2]}]}, "a:\n- b: 1\n  c:\n  - 2\n", id="a list"
        ),
        pytest.param({"a": ("b",)}, "a:\n- b\n", id="a tuple"),
        pytest.param({"a": "img:1.2"}, "a: img:1.2\n", id="an image"),
        pytest.param({"a": "\ud800"}, 'a: "\\ud800"\n', id="half a character"),
        pytest.param({"a": "on\nto\n"}, "a: |\n  on\n  to\n", id="lines"),
    ],
)
def test_it_reads_as_kubectl_writes(value: dict[str, Any], written: str) -> None:
    assert text(value) == written
