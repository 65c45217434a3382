# SPDX-License-Identifier: Apache-2.0
"""Each numbered law has one home, and each home asserts that it was at stake.

``ACCEPT=1 pytest tests/test_laws.py`` writes the table of `docs/laws.md` anew.
"""

import ast
import os
import re

import pytest

from properties.numbered import NUMBERED, NUMBERS, Check, Home
from tests.tools import source
from tests.tools.source import ROOT

TOLD = ROOT / "docs/laws.md"
REPORT = ROOT / "docs/report.md"
# Where the checks of the search are counted, and each must be more than once.
COUNTED = Home(
    "properties/test_interleavings.py", "test_every_check_of_the_search_is_at_stake"
)
homes = pytest.mark.parametrize("number", NUMBERED)


def function_of(home: Home) -> ast.FunctionDef:
    found = [
        function
        for function in source.functions(ROOT / home.file)
        if function.name == home.test and isinstance(function, ast.FunctionDef)
    ]
    assert len(found) == 1, f"{home.file} has no {home.test}: mend properties/numbered"
    return found[0]


def often(home: Home) -> list[str]:
    """Return what a law says must happen among its inputs."""
    return [
        word.value
        for decorator in function_of(home).decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "often"
        for word in ast.walk(keyword.value)
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    ]


def says(home: Home | Check) -> str:
    if isinstance(home, Check):
        return _sentence(home.law.split(" ", 1)[1])
    said = ast.get_docstring(function_of(home)) or home.says
    first = " ".join(said.split("\n\n", maxsplit=1)[0].split())
    return _sentence(re.sub(r"^(P\d+b?(, )?)+: ", "", first))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:].rstrip('.')}."


def place(home: Home | Check) -> str:
    if isinstance(home, Check):
        return "the search (`properties/world`)"
    return f"`{home.file}::{home.test}`"


def stake(home: Home | Check) -> str:
    if isinstance(home, Check):
        return "counted by the search"
    return home.stake or "; ".join(often(home))


def test_each_number_has_a_home() -> None:
    assert sorted(NUMBERED) == sorted(NUMBERS)
    assert len(set(NUMBERED.values())) == len(NUMBERED), "one home for two laws"


@homes
def test_a_home_is_there_and_says_its_law(number: str) -> None:
    home = NUMBERED[number]
    assert says(home).endswith("."), "give the test a docstring, the law: one sentence"
    if isinstance(home, Check):
        assert home.law.startswith(f"{number} ")
        world = (ROOT / "properties/world").glob("*.py")
        assert any(f'"{home.law}"' in path.read_text() for path in world)


@homes
def test_a_home_asserts_that_its_law_was_at_stake(number: str) -> None:
    home = COUNTED if isinstance(NUMBERED[number], Check) else NUMBERED[number]
    assert isinstance(home, Home)
    function_of(home)
    assert home is COUNTED or bool(often(home)) != bool(home.stake)


def test_the_table_of_numbers_is_current() -> None:
    rows = ["| law | says | home | at stake |", "| --- | --- | --- | --- |"]
    for number in sorted(NUMBERED, key=_in_order):
        home = NUMBERED[number]
        cells = (number, says(home), place(home), stake(home))
        rows.append(f"| {' | '.join(cells)} |")
    table = "\n".join(rows)
    if os.environ.get("ACCEPT"):
        source.rewrite(TOLD, "by number", table)
    assert source.section(TOLD, "by number") == table, (
        "ACCEPT=1 writes the table between <!-- by number --> and its end"
    )


def test_the_report_has_a_row_for_each_number() -> None:
    table = source.section(REPORT, "report") or ""
    told = re.findall(r"^\| (P\w+) \|", table, re.MULTILINE)
    assert sorted(told) == sorted(NUMBERED), "python -m tests.tools.report writes it"


def _in_order(number: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", number)
    return int(digits), number
