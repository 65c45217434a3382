# SPDX-License-Identifier: Apache-2.0
"""A glance may doubt what is fine, and must never miss what is not."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mpijob_crd
from mpijob_operator.glance import plainly_fits
from mpijob_operator.schema import Schema
from tests.tools.source import ROOT

SCHEMA: Final = Schema(mpijob_crd.schema())
# The reader keeps dates and 0644 as YAML 1.1 has them; nothing here hangs on it.
CASES: Final = {
    path.parent.name: json.loads(json.dumps(yaml.safe_load(path.read_text())))
    for path in sorted((ROOT / "tests/corpus").glob("*/mpijob.yaml"))
}


def stored(value: Any) -> Any:  # noqa: ANN401 - JSON.
    return SCHEMA.with_defaults(value)


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON.
    """Give each container with each of its keys or indices."""
    keys: list[Any] = [*value] if isinstance(value, dict) else [*range(len(value))]
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from nodes(value[key])


ANYTHING: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(("", "a", "5Gi", "5Gi\n", "x y", "Never", "OpenMPI", "é")),
    st.just([]),
    st.just({}),
    st.just([{"name": "a"}, {"name": "a"}]),
    st.just({"name": "a"}),
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:  # noqa: ANN401 - JSON.
    value = copy.deepcopy(draw(st.sampled_from(list(CASES.values()))))
    for _ in range(draw(st.integers(1, 2))):
        container, key = draw(st.sampled_from(list(nodes(value))))
        change = draw(st.sampled_from(("replace", "drop", "double")))
        if change == "drop":
            del container[key]
        elif change == "double" and not isinstance(key, str):
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = copy.deepcopy(draw(ANYTHING))
        if not value:
            break
    return value


@given(damaged())
def test_what_plainly_fits_has_no_problem(value: Any) -> None:  # noqa: ANN401 - JSON.
    if plainly_fits(SCHEMA.open_api, stored(value)):
        assert SCHEMA.problems_of(value) == ()


@pytest.mark.parametrize(
    "name", [name for name in CASES if not SCHEMA.problems_of(CASES[name])]
)
def test_an_ordinary_job_needs_no_closer_look(name: str) -> None:
    assert plainly_fits(SCHEMA.open_api, stored(CASES[name]))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"type": "string", "not": {}}, "a", id="an unknown keyword"),
        pytest.param({"type": "string", "anyOf": []}, "a", id="a choice of schemas"),
        pytest.param({"type": "integer"}, True, id="a boolean for a number"),
        pytest.param({"type": "integer"}, 2**40, id="a number that is large"),
        pytest.param({"type": "number"}, 0.5, id="a fraction"),
        pytest.param({"type": "string", "nullable": True}, None, id="null"),
        pytest.param({"type": "string", "maxLength": 1}, "ab", id="a long text"),
        pytest.param({"type": "string", "pattern": "^a$"}, "a\n", id="a newline"),
        pytest.param(
            {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            ["a"],
            id="an item without a key",
        ),
        pytest.param(
            {"type": "array", "x-kubernetes-list-type": "set"},
            [[1], [2]],
            id="a set of what has no order",
        ),
    ],
)
def test_what_is_in_doubt_is_looked_at(schema: dict[str, Any], value: object) -> None:
    assert not plainly_fits(schema, value)
