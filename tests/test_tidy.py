# SPDX-License-Identifier: Apache-2.0
"""The house rules that no linter knows; each failure says what to do.

Some documents hold tables and lists that the code has as well. ``ACCEPT=1 pytest
tests/test_tidy.py`` writes them anew from the code; read the difference.
"""

import ast
import os
import re
import statistics
from pathlib import Path

import pytest

from mpijob.actions import GUARDS
from mpijob.lifetimes import COLUMNS, LIFETIMES
from mpijob.stage import QUESTIONS
from mpijob.status import REMEMBERED
from tests.tools import rules, source
from tests.tools.source import ROOT, label

CORE = source.modules("core")
SHELL = source.modules("adapters")
SHIPPED = [*CORE, *SHELL, *source.modules("crd")]
PYTHON = [*SHIPPED, *source.modules("tests", "properties"), ROOT / "conftest.py"]
TRACKED = source.tracked()
LAWS = sorted((ROOT / "properties").glob("test_*.py"))

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
COMING_FROM = ROOT / "docs/coming-from-mpi-operator.md"
LAWS_TOLD = ROOT / "docs/laws.md"

# A function fits on a screen, docstring aside.
LINES_PER_FUNCTION_MAX = 40
# Nine in ten are read at a glance.
LINES_PER_FUNCTION_P90 = 25
# A module is read in one sitting.
LINES_PER_MODULE_MAX = 400
# The core is read in an hour. Lines of code: blank ones, comments, docstrings and
# imports aside.
LINES_OF_CORE_MAX = 2_500
# A map that needs a map of its own is none.
LINES_OF_ARCHITECTURE_MAX = 150
# The first five minutes.
LINES_OF_README_MAX = 100
WORDS_OF_README_MAX = 500
README_CODE_BY_LINE = 15
README_CLUSTER_FROM_LINE = 40
# What a newcomer sees first, files with a leading dot aside.
ENTRIES_AT_ROOT_MAX = 18

# All that the core may import. Nothing here can act, wait, ask or draw lots.
CORE_IMPORTS = {
    "attrs",
    "mpijob",
    "__future__",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "textwrap",
    "types",
    "typing",
    "zlib",
}

# Nothing may point at one person's machine, or at one place to fetch packages from.
# (Written so that these lines do not match themselves.)
MACHINE = re.compile(
    r"(?<![\w.])/(?:wor[k]/\w|hom[e]/(?!mpi)\w|User[s]/\w|roo[t]/(?!\.ssh)\w"
    r"|opt/wheel[s]|tmp/(?:brief|pytest|tmp)[s-])"
)
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|proxy\.golang|sum\.golang"
    r"|crates\.io|deb\.debian|repo[.\d]*\.maven|/simple/inde[x]"
)
# A silenced warning says why, behind a dash or in a second comment.
SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore)")
WITH_REASON = re.compile(r"(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|\])\s+[-#]\s*\w{2,}")
SOURCE_SUFFIXES = {".py", ".go", ".sh"}
BANNED_MODULES = {"util", "utils", "helper", "helpers", "common", "misc", "manager"}
FRAGMENT = re.compile(r"(?:\d+|\+[\w-]+)\.(?:breaking|added|changed|fixed)\.md")


def is_source(path: Path) -> bool:
    return path.suffix in SOURCE_SUFFIXES or path.name in {"Makefile", "run"}


# --- Code ---------------------------------------------------------------------


@pytest.mark.parametrize("path", PYTHON, ids=label)
def test_functions_fit_on_a_screen(path: Path) -> None:
    long = [
        f"{f.name} ({source.body_lines(f)})"
        for f in source.functions(path)
        if source.body_lines(f) > LINES_PER_FUNCTION_MAX
    ]
    assert not long, f"split these; keep every branch in the parent: {long}"


@pytest.mark.parametrize("folder", ["core", "adapters"])
def test_most_functions_are_read_at_a_glance(folder: str) -> None:
    bodies = {
        f"{label(path)}::{f.name}": source.body_lines(f)
        for path in source.modules(folder)
        for f in source.functions(path)
    }
    p90 = statistics.quantiles(bodies.values(), n=10)[-1]
    longest = sorted(bodies, key=lambda name: -bodies[name])[:10]
    assert p90 <= LINES_PER_FUNCTION_P90, f"p90 is {p90}: shorten some of {longest}"


@pytest.mark.parametrize("path", PYTHON, ids=label)
def test_modules_are_read_in_one_sitting(path: Path) -> None:
    assert source.lines(path) <= LINES_PER_MODULE_MAX, "make it two modules"


def test_the_core_is_read_in_an_hour() -> None:
    total = sum(map(source.code_lines, CORE))
    assert total < LINES_OF_CORE_MAX, f"the core has {total} lines: what can go?"


@pytest.mark.parametrize("path", CORE, ids=label)
def test_the_core_is_synchronous(path: Path) -> None:
    waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    found = [node for node in ast.walk(source.tree(path)) if isinstance(node, waiting)]
    assert not found, "nothing in the core can wait: move this to adapters"


@pytest.mark.parametrize("path", CORE, ids=label)
def test_the_core_imports_attrs_alone(path: Path) -> None:
    strange = source.imports_in(source.tree(path)) - CORE_IMPORTS
    assert not strange, f"take the value as an argument, or return it: {strange}"


@pytest.mark.parametrize("path", SHIPPED, ids=label)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(source.tree(path)), "begin with one line of purpose"


@pytest.mark.parametrize("path", PYTHON, ids=label)
def test_no_module_is_a_drawer(path: Path) -> None:
    assert path.stem not in BANNED_MODULES, "name it for what it holds"


@pytest.mark.parametrize("path", PYTHON, ids=label)
def test_what_is_silenced_says_why(path: Path) -> None:
    silent = [
        f"{line}: {text}"
        for line, text in source.comments_in(path.read_text())
        if SILENCED.search(text) and not WITH_REASON.search(text)
    ]
    assert not silent, f"name the rule, then ` - reason`: {silent}"


@pytest.mark.parametrize("path", [p for p in TRACKED if is_source(p)], ids=label)
def test_a_source_file_begins_with_its_licence(path: Path) -> None:
    first = path.read_text().splitlines()[:2]
    if first and not first[0].startswith("#!"):
        del first[1:]
    assert any("SPDX-License-Identifier: Apache-2.0" in line for line in first), (
        "begin with `SPDX-License-Identifier: Apache-2.0` in a comment"
    )


# --- Documents ----------------------------------------------------------------


def test_the_map_fits_on_a_wall() -> None:
    total = source.lines(ARCHITECTURE)
    assert total <= LINES_OF_ARCHITECTURE_MAX, f"{total} lines: say less"


@pytest.mark.parametrize(
    "path", [p for p in (*CORE, *SHELL) if not p.stem.startswith("__")], ids=label
)
def test_the_map_shows_every_module(path: Path) -> None:
    inside = path.relative_to(ROOT).with_suffix("").parts[2:]
    full, short = "/".join(inside), inside[-1]
    text = ARCHITECTURE.read_text()
    assert f"`{full}`" in text or f"`{short}`" in text, (
        f"add a row for `{full}` to ARCHITECTURE.md"
    )


@pytest.mark.parametrize("name", ["questions", "lifetimes", "guards", "remembered"])
def test_the_tables_of_the_architecture_are_those_of_the_code(name: str) -> None:
    rows = TABLES[name]()
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    if os.environ.get("ACCEPT"):
        source.rewrite(ARCHITECTURE, name, table)
    assert source.section(ARCHITECTURE, name) == table, (
        f"ACCEPT=1 writes the table between <!-- {name} --> and <!-- /{name} -->"
    )


def questions() -> list[list[str]]:
    """Give the questions in their order, each with the stage that a yes gives."""
    asked = [[ask.__doc__ or "", stage.value] for ask, stage in QUESTIONS]
    return [["The first that is true", "decides the stage"], *asked]


def lifetimes() -> list[list[str]]:
    """Give a row a child, a column a stage."""
    fates = [[c.value, *(f.value for f in LIFETIMES[c])] for c in LIFETIMES]
    return [["", *(stage.value for stage in COLUMNS)], *fates]


def guards() -> list[list[str]]:
    """Give each action with what makes it harmless on an old view."""
    said = [[f"`{action.__name__}`", guard] for action, guard in GUARDS.items()]
    return [["action", "what makes it harmless when our view was old"], *said]


def remembered() -> list[list[str]]:
    """Give what is remembered between two calls, with where."""
    said = [[what, where] for what, where in REMEMBERED.items()]
    return [["what is remembered, and nothing else", "where"], *said]


TABLES = {
    "questions": questions,
    "lifetimes": lifetimes,
    "guards": guards,
    "remembered": remembered,
}


def test_the_readme_takes_five_minutes() -> None:
    text = README.read_text()
    words = len(re.sub(r"```.*?```", "", text, flags=re.DOTALL).split())
    assert source.lines(README) < LINES_OF_README_MAX, "say less"
    assert words < WORDS_OF_README_MAX, f"{words} words outside the code: say less"


def test_the_readme_shows_code_at_once() -> None:
    top = README.read_text().splitlines()[:README_CODE_BY_LINE]
    assert any(line.startswith("```") for line in top), "move the first block up"


def test_the_readme_starts_without_a_cluster() -> None:
    top = README.read_text().splitlines()[: README_CLUSTER_FROM_LINE - 1]
    needing = [line for line in top if line.startswith("$ kubectl")]
    assert not needing, f"move below line {README_CLUSTER_FROM_LINE}: {needing}"


def laws() -> dict[str, str]:
    """Give each law, the first paragraph of a docstring, with where it is tried."""
    found: dict[str, str] = {}
    for path in LAWS:
        for function in source.functions(path):
            if function.name.startswith("test_") or source.is_invariant(function):
                words = ast.get_docstring(function) or ""
                law = " ".join(words.split("\n\n", maxsplit=1)[0].split())
                found.setdefault(law, label(path))
    return found


def test_every_law_is_told() -> None:
    found = laws()
    assert "" not in found, f"give it a docstring, the law: one in {found['']}"
    told = "\n".join(f"- {law} (`{where}`)" for law, where in found.items())
    if os.environ.get("ACCEPT"):
        source.rewrite(LAWS_TOLD, "laws", told)
    assert source.section(LAWS_TOLD, "laws") == told, (
        "ACCEPT=1 writes the list between <!-- laws --> and <!-- /laws -->"
    )


def test_what_the_readme_promises_is_tried() -> None:
    promises = source.bullets(README, "What it promises")
    assert promises, "promise something"
    assert set(promises) <= set(laws()), "promise in the words of a law's docstring"


def test_what_differs_from_mpi_operator_is_told() -> None:
    told = "\n".join(
        f"- {words} (`{label(path)}`)"
        for path in SHIPPED
        for words in source.deviations_in(path.read_text())
    )
    if os.environ.get("ACCEPT"):
        source.rewrite(COMING_FROM, "from the code", told)
    assert source.section(COMING_FROM, "from the code") == told, (
        "ACCEPT=1 writes the list between <!-- from the code --> and its end"
    )


def test_every_rule_is_shown_by_a_test() -> None:
    known, cited = rules.rules(), rules.citations()
    missing = [rule.id for rule in rules.without_a_test(known, cited)]
    assert not missing, (
        f"cite these with @pytest.mark.rule, see docs/rules.md: {missing}"
    )
    assert not rules.unknown(known, cited)


def test_the_rules_name_modules_that_exist() -> None:
    named = {
        module
        for rule in rules.rules()
        for module in re.findall(r"`([\w/]+)`", rule.decided_by)
    }
    core = ROOT / "core/mpijob"
    there = {path.stem for path in core.glob("*.py")} | {"children", "crd"}
    there |= {f"children/{path.stem}" for path in core.glob("children/*.py")}
    assert named <= there, f"mend docs/rules.md: {sorted(named - there)}"


@pytest.mark.parametrize(
    "path", [p for p in TRACKED if p.parent.name == "changelog.d"], ids=label
)
def test_a_fragment_says_one_thing(path: Path) -> None:
    if path.name.startswith("."):
        return
    assert FRAGMENT.fullmatch(path.name), "name it NUMBER.added.md or +words.fixed.md"
    text = path.read_text().strip()
    assert text.endswith("."), "one sentence, with a full stop"
    assert "\n\n" not in text, "one sentence; a second change is a second fragment"


# --- The whole tree -----------------------------------------------------------


def texts() -> list[Path]:
    return [path for path in TRACKED if b"\0" not in path.read_bytes()]


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY], ids=["machine", "registry"])
def test_nothing_points_at_one_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{label(path)}: {match[0]}"
        for path in texts()
        if (match := pattern.search(path.read_text()))
    ]
    assert not found, f"say it without the place: {found}"


def test_no_binary_is_tracked() -> None:
    assert not set(TRACKED) - set(texts()), "build it instead"


def test_the_root_is_taken_in_at_a_glance() -> None:
    entries = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    seen = sorted(entry for entry in entries if not entry.startswith("."))
    assert len(seen) <= ENTRIES_AT_ROOT_MAX, f"find a folder for some of {seen}"
