# SPDX-License-Identifier: Apache-2.0
"""Measure and search the project's own files.

Lines are raw lines, blank ones and comments included: what a reader scrolls through.
The body of a function is its lines less the signature and the docstring.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# Others' data: read by tests, and never measured against our manners.
FOREIGN: Final = ("tests/corpus/",)
DEVIATION: Final = "Unlike mpi-operator:"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def label(path: Path) -> str:
    """Name a file as a reader of a test's report would."""
    return path.relative_to(ROOT).as_posix()


def tracked() -> Sequence[Path]:
    """Give the files that are in the history, less those of others."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [
        ROOT / name
        for name in listed
        if name and not name.startswith(FOREIGN) and (ROOT / name).is_file()
    ]


def modules(*folders: str) -> Sequence[Path]:
    """Give the Python files below some folders of the checkout."""
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not label(path).startswith(FOREIGN) and "node_modules" not in path.parts
    )


def lines(path: Path) -> int:
    """Count the raw lines of a file."""
    return len(path.read_text().splitlines())


_NO_CODE: Final = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(path: Path) -> int:
    """Count the lines of a file that decide: no blank, comment, docstring, import."""
    text = path.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = [(t.start[0], t.end[0]) for t in tokens if t.type not in _NO_CODE]
    silent = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    return len(_numbers(spans) - _numbers(silent))


def _numbers(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {line for first, last in spans for line in range(first, last + 1)}


def tree(path: Path) -> ast.Module:
    """Parse one module."""
    return ast.parse(path.read_text(), label(path))


def functions(path: Path) -> Sequence[Function]:
    """Give every function of a module, methods and inner ones included."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, Function)]


def body_lines(function: Function) -> int:
    """Count the lines of a function's body, its docstring aside."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def is_invariant(function: Function) -> bool:
    """Tell whether a function is an invariant of a state machine of Hypothesis."""
    calls = (d.func for d in function.decorator_list if isinstance(d, ast.Call))
    return any(isinstance(call, ast.Name) and call.id == "invariant" for call in calls)


def imports_in(module: ast.Module) -> set[str]:
    """Give the top-level names that a module imports, wherever in the module."""
    found: set[str] = set()
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(name), level=0):
                found.add(name.partition(".")[0])
            case _:
                pass
    return found


def comments_in(text: str) -> Iterator[tuple[int, str]]:
    """Give each comment of a module's text, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def deviations_in(text: str) -> Sequence[str]:
    """Give what a module says it does unlike mpi-operator, one sentence or more each.

    Such a comment runs on over the comment lines right below it; in a docstring it
    runs to the end of its paragraph.
    """
    own = [line.lstrip().startswith("#") for line in text.splitlines()]
    found: list[str] = []
    last = -1
    for line, comment in comments_in(text):
        words = comment.lstrip("#: ").strip()
        if words.startswith(DEVIATION):
            found.append(words.removeprefix(DEVIATION))
            last = line
        elif line == last + 1 and words and own[line - 1]:
            found[-1] += f" {words}"
            last = line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Documented):
            for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                _, mark, words = paragraph.partition(DEVIATION)
                found.extend([words] if mark else [])
    return [" ".join(words.split()) for words in found]


def bullets(document: Path, heading: str) -> Sequence[str]:
    """Give the entries of the list under a heading, each in one line."""
    _, _, rest = document.read_text().partition(f"\n## {heading}\n")
    under = rest.partition("\n## ")[0]
    entries = re.findall(r"^- (.*(?:\n  .*)*)", under, re.MULTILINE)
    return [" ".join(entry.split()) for entry in entries]


def section(document: Path, name: str) -> str | None:
    """Give what stands between ``<!-- name -->`` and ``<!-- /name -->``."""
    match = _between(name).search(document.read_text())
    return match and match["text"].strip()


def rewrite(document: Path, name: str, text: str) -> None:
    """Put a text between ``<!-- name -->`` and ``<!-- /name -->``."""
    old = document.read_text()
    new = _between(name).sub(lambda m: f"{m['start']}\n\n{text}\n\n{m['end']}", old)
    document.write_text(new)


def _between(name: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<start><!-- {name} -->)(?P<text>.*?)(?P<end><!-- /{name} -->)", re.DOTALL
    )
