# SPDX-License-Identifier: Apache-2.0
"""Which numbered law a name is of, and how a law is asked for alone.

A law is named by its file and its words, `plan: half a plan is safe`; a check of the
search by its own name, which begins with its number.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from properties.curated.mutant import ROOT
from properties.numbered import NUMBERED, Check, Home

_NUMBER: Final = re.compile(r"P\d+b?")
_SAID: Final = re.compile(r"((?:P\d+b?(?:, )?)+):")


def test_of(asked: str) -> str:
    """Return the id of the law, or of the file of laws, that is asked.

    >>> test_of("plan: half a plan is safe")
    'properties/test_plan.py::test_half_a_plan_is_safe'
    >>> test_of("queue")
    'properties/test_queue.py'
    """
    file, _, law = asked.partition(": ")
    name = f"::test_{law.replace(' ', '_')}" if law else ""
    return f"properties/test_{file}.py{name}"


def law_of(test: str) -> str:
    """Return a test's id in words: the other way round.

    >>> law_of("properties/test_plan.py::test_half_a_plan_is_safe[0]")
    'plan: half a plan is safe'
    >>> law_of("properties/test_queue.py::TestAnyQueue::runTest")
    'queue: AnyQueue'
    """
    path, *names = test.partition("[")[0].split("::")
    file = path.removeprefix("properties/test_").removesuffix(".py")
    name = names[0].removeprefix("test_").removeprefix("Test") if names else ""
    return f"{file}: {name.replace('_', ' ')}"


def home_of(number: str) -> str:
    """Return the name of the law that is the home of a number."""
    match NUMBERED[number]:
        case Check(law):
            return law
        case Home(file, test):
            return law_of(f"{file}::{test}")


def numbers_of(law: str) -> frozenset[str]:
    """Return the numbers of which a law is, by its name, its words or its home.

    >>> sorted(numbers_of("P26 no live pod is missing from active"))
    ['P26']
    """
    homes = {number for number in NUMBERED if home_of(number) == law}
    said = _SAID.match(f"{law.split(' ', 1)[0]}:") or _SAID.match(
        sayings().get(law, "")
    )
    return frozenset(homes | {*(_NUMBER.findall(said[1]) if said else ())})


@cache
def sayings() -> dict[str, str]:
    """Return what each law of the files says, by its name."""
    return dict(_sayings())


def _sayings() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "properties").glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            words = law_of(f"{path.relative_to(ROOT)}::{getattr(node, 'name', '')}")
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield words, ast.get_docstring(node) or ""
            elif isinstance(node, ast.ClassDef):
                inner = (n for n in node.body if isinstance(n, ast.FunctionDef))
                said = (_SAID.match(ast.get_docstring(n) or "") for n in inner)
                numbers = ", ".join(found[1] for found in said if found)
                yield words, f"{numbers}: all of them." if numbers else ""
