# SPDX-License-Identifier: Apache-2.0
"""Quantities are exact: nothing is a float, and what is too fine is rounded up."""

from typing import Any

import pytest

from mpijob.quantities import NANO, nano, same, text, total
from tests.builders import cases


@pytest.mark.rule("B7.3")
@pytest.mark.parametrize(("quantity", "expected"), [
    ("1", NANO),
    (3, 3 * NANO),
    (1.5, 1_500_000_000),
    ("0", 0),
    ("-2", -2 * NANO),
    ("+2", 2 * NANO),
    (".5", NANO // 2),
    ("5.", 5 * NANO),
    ("1n", 1),
    ("1u", 1_000),
    ("1m", 1_000_000),
    ("1k", 1_000 * NANO),
    ("1M", 10**6 * NANO),
    ("1G", 10**9 * NANO),
    ("1T", 10**12 * NANO),
    ("1P", 10**15 * NANO),
    ("1E", 10**18 * NANO),
    ("1Ki", 2**10 * NANO),
    ("1Mi", 2**20 * NANO),
    ("1Gi", 2**30 * NANO),
    ("1Ti", 2**40 * NANO),
    ("1Pi", 2**50 * NANO),
    ("1Ei", 2**60 * NANO),
    ("1.5Gi", 3 * 2**29 * NANO),
    ("2e3", 2_000 * NANO),
    ("2E3", 2_000 * NANO),
    ("2e-3", 2_000_000),
    ("1e30", 10**30 * NANO),
    ("0.0000000001", 1),
    ("1.1n", 2),
    ("-1.1n", -2),
])  # fmt: skip
def test_a_quantity_is_a_whole_number_of_nano_units(
    quantity: object, expected: int
) -> None:
    assert nano(quantity) == expected


@pytest.mark.parametrize("value", [
    *("", ".", "m", "1 Gi", "Gi", "1gi", "1K", "1e31", "1e-31", "1e999", "0x1"),
    *("--1", "٣", "1\n", "1.2.3", None, True, False, [], {}, b"1", "9" * 41),
    float("nan"),
])  # fmt: skip
def test_what_is_no_quantity_counts_nothing(value: object) -> None:
    assert nano(value) is None
    assert total([{"cpu": value}]) == {}


@pytest.mark.parametrize(("quantity", "binary", "expected"), [
    ("0", False, "0"),
    ("0", True, "0"),
    ("1500m", False, "1500m"),
    ("2000m", False, "2"),
    ("1000", False, "1k"),
    ("1000", True, "1000"),
    ("1024", True, "1Ki"),
    ("1024", False, "1024"),
    ("3072Mi", True, "3Gi"),
    ("1e18", False, "1E"),
    ("1Ei", True, "1Ei"),
    ("7u", False, "7u"),
    ("7n", True, "7n"),
    ("1.5k", False, "1500"),
    ("-1.5", False, "-1500m"),
])  # fmt: skip
def test_a_quantity_is_written_with_the_largest_suffix(
    quantity: str, *, binary: bool, expected: str
) -> None:
    assert text(nano(quantity) or 0, binary=binary) == expected


@pytest.mark.rule("B7.3")
@cases("lists, expected", {
    "nothing": ([], {}),
    "sum": ([{"cpu": "1"}, {"cpu": "500m"}], {"cpu": "1500m"}),
    "the first one's base": ([{"memory": "1Gi"}, {"memory": "1G"}],
        {"memory": "2073741824"}),
    "binary": ([{"memory": "1000Mi"}, {"memory": "24Mi"}], {"memory": "1Gi"}),
    "by name": ([{"b": 1, "a": 1}, {"c": "x"}], {"a": "1", "b": "1"}),
    "one is none": ([{"cpu": "x"}, {"cpu": 1}], {"cpu": "1"}),
})  # fmt: skip
def test_lists_are_added_name_by_name(
    lists: list[dict[str, Any]], expected: dict[str, str]
) -> None:
    result = total(lists)
    assert result == expected
    assert list(result) == sorted(result)


@pytest.mark.rule("B7.5")
@pytest.mark.parametrize(("one", "other", "equal"), [
    ("1", 1, True),
    ("1000m", "1", True),
    ("1Gi", "1024Mi", True),
    ("1Gi", "1G", False),
    ("queue", "queue", True),
    ("queue", "other", False),
    (None, None, True),
    (None, "0", False),
    (["a"], ["a"], True),
])  # fmt: skip
def test_quantities_are_compared_by_value(
    one: object, other: object, *, equal: bool
) -> None:
    assert same(one, other) is equal
