# SPDX-License-Identifier: Apache-2.0
"""Show each rule of the behaviour beside the tests that cite it.

The rules are the table rows of ``docs/rules.md``; a citation is
``pytest.mark.rule("B4.3", ...)`` on a test, on a case of it, or on a whole module.
``python -m tests.tools.rules`` prints the table and fails when a rule that a function
decides has no test, or when a test cites a rule that is not there.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
ROW: Final = re.compile(r"^\| (B\d+\.\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
# Only a running controller can keep these, so only its tests can show them.
BY_SHELL: Final = "shell"


@frozen
class Rule:
    """One rule: its number, what it says in a line, and which modules decide it."""

    id: str
    says: str
    decided_by: str

    @property
    def is_required(self) -> bool:
        """Tell whether a function decides it, so that a test must show it."""
        return self.decided_by != BY_SHELL


def rules() -> Sequence[Rule]:
    """Read the rules, in their order."""
    return [Rule(*row) for row in ROW.findall((ROOT / "docs/rules.md").read_text())]


def citations() -> Mapping[str, Sequence[str]]:
    """Give the tests that cite each rule, by the rule's number."""
    found: dict[str, list[str]] = {}
    for folder in ("tests", "properties"):
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            for rule, test in cited_in(path):
                tests = found.setdefault(rule, [])
                if test not in tests:
                    tests.append(test)
    return found


def cited_in(path: Path) -> Iterator[tuple[str, str]]:
    """Give each citation in a file, with the test that it belongs to."""
    module = ast.parse(path.read_text(), str(path))
    file = path.relative_to(ROOT).as_posix()
    for statement in module.body:
        inner = statement.body if isinstance(statement, ast.ClassDef) else []
        for part in [*inner, statement]:
            name = getattr(part, "name", "")
            owner = f"{file}::{name}" if name else file
            marks = part.decorator_list if isinstance(part, ast.ClassDef) else [part]
            for mark in marks:
                for rule in marked(mark):
                    yield rule, owner


def marked(tree: ast.AST) -> Iterator[str]:
    """Give the rules that any ``pytest.mark.rule(...)`` below a node names."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="rule", value=ast.Attribute())):
                for argument in node.args:
                    match argument:
                        case ast.Constant(value=str(rule)):
                            yield rule
                        case _:
                            pass
            case _:
                pass


def without_a_test(
    known: Sequence[Rule], cited: Mapping[str, Sequence[str]]
) -> Sequence[Rule]:
    """Give the rules that a function decides and no test shows."""
    return [rule for rule in known if rule.is_required and rule.id not in cited]


def unknown(known: Sequence[Rule], cited: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Give the citations of rules that do not exist, with who makes them."""
    ids = {rule.id for rule in known}
    return [f"{rule} in {', '.join(cited[rule])}" for rule in cited if rule not in ids]


def main() -> int:
    """Print the table; return how the comparison went, as an exit code."""
    known, cited = rules(), citations()
    for rule in known:
        tests = cited.get(rule.id, [])
        print(f"{rule.id}  {rule.says}  [{rule.decided_by.replace('`', '')}]")
        for test in tests or ["-"]:
            print(f"        {test}")
    missing, strange = without_a_test(known, cited), unknown(known, cited)
    shown = sum(rule.id in cited for rule in known)
    print(f"\n{len(known)} rules, {shown} shown by tests")
    for rule in missing:
        print(f"error: {rule.id} has no test: {rule.says}", file=sys.stderr)
    for text in strange:
        print(f"error: there is no rule {text}", file=sys.stderr)
    return 1 if missing or strange else 0


if __name__ == "__main__":
    sys.exit(main())
