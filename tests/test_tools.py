# SPDX-License-Identifier: Apache-2.0
"""The tools that judge the rest of the house are held to something as well."""

import ast
from importlib.util import module_from_spec

import pytest

from tests.tools import mutants, rules, source
from tests.tools.mutation import Mutant, by_hand

TABLE = """
A, B = Fate
TABLE = {
    "worker": (A, B),
}
"""


def function(text: str) -> source.Function:
    found = ast.parse(text).body[0]
    assert isinstance(found, source.Function)
    return found


def test_a_body_is_measured_without_signature_and_docstring() -> None:
    text = 'def f(\n  x: int,\n) -> int:\n  """Say.\n\n  More.\n  """\n  return x\n'
    assert source.body_lines(function(text)) == 1


def test_a_body_of_a_docstring_alone_is_empty() -> None:
    assert source.body_lines(function('def f() -> None:\n    """Say."""\n')) == 0


def test_imports_inside_a_function_are_seen() -> None:
    text = "import a.b\n\ndef f():\n    from os import path\n"
    assert source.imports_in(ast.parse(text)) == {"a", "os"}


def test_a_deviation_runs_on_to_the_end_of_its_comment() -> None:
    text = "x = 1\n# Unlike mpi-operator: one\n# worker.\nx = 1  # Something else.\n"
    assert source.deviations_in(text) == ["one worker."]


def test_a_deviation_in_a_docstring_ends_with_its_paragraph() -> None:
    text = '"""Say.\n\nUnlike mpi-operator: one\nworker.\n\nSomething else.\n"""\n'
    assert source.deviations_in(text) == ["one worker."]


def test_rules_are_cited_by_tests_cases_and_modules() -> None:
    text = (
        'pytestmark = pytest.mark.rule("B1.1")\n'
        '@pytest.mark.rule("B2.1", "B2.2")\n'
        '@cases([pytest.param(1, marks=pytest.mark.rule("B3.1"))])\n'
        "def test_a(x): ...\n"
    )
    assert sorted(rules.marked(ast.parse(text))) == ["B1.1", "B2.1", "B2.2", "B3.1"]


def test_a_rule_of_the_shell_needs_no_test_of_a_function() -> None:
    known = [rules.Rule("B1.1", "", "`wire`"), rules.Rule("B8.8", "", "shell")]
    assert rules.without_a_test(known, {}) == known[:1]


def test_a_citation_of_no_rule_is_named() -> None:
    assert rules.unknown([], {"B9.9": ["test_x"]}) == ["B9.9 in test_x"]


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        pytest.param("EntryGone", "TABLE = {\n    \n}", id="a row goes"),
        pytest.param("ElementGone", "(B)", id="a cell goes"),
        pytest.param("AnotherCell", "(B, B)", id="a cell takes another's value"),
        pytest.param("ChangedPlaces", "(B, A)", id="two cells change places"),
        pytest.param("AnotherWord", '"mutant": (A, B)', id="a word differs"),
    ],
)
def test_a_table_is_broken_in_each_way(kind: str, broken: str) -> None:
    made = [text for name, text in by_hand(TABLE) if name == kind]
    assert any(broken.replace(" ", "") in text.replace(" ", "") for text in made)


def test_half_a_condition_goes() -> None:
    assert ("HalfGone", "x = (b)\n") in list(by_hand("x = a and b\n"))


def test_what_never_runs_is_not_broken() -> None:
    assert not list(
        by_hand('"""Say."""\n\n\ndef f(x: "int") -> "int":\n    return x\n')
    )


def test_a_mutant_is_imported_in_place_of_its_module() -> None:
    changed = Mutant("", 1, "", "", "said = 1\n")
    finder = mutants.in_place_of(mutants.Case("names", changed))
    spec = finder.find_spec("mpijob.names", None)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.said == 1
    assert finder.find_spec("mpijob.job", None) is None
