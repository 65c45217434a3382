# SPDX-License-Identifier: Apache-2.0
"""Ways to break a module on purpose.

cosmic-ray knows the operators, conditions and numbers. It leaves alone what most of our
decisions are made of, so this module adds: a table loses a row, two rows change places,
a cell takes another's value, a word differs, a keyword is left out, one half of an
``and`` or ``or`` goes.
"""

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import pairwise
from typing import Final, Protocol, cast

from attrs import frozen

# `|` joins types and mappings here, and nothing else does; the last two want to be told
# a variable each.
LEFT_OUT: Final = ("BinaryOperator_BitOr_", "VariableReplacer", "VariableInserter")
# Swapped for one another alone: what we compare by identity (enum members, None) has no
# order, and is equal when it is the same.
IDENTITY: Final = {"Is", "IsNot"}
ANNOTATIONS: Final = ("annotation", "returns", "slice", "type_params", "bases")


@frozen
class Mutant:
    """One broken copy of a module."""

    kind: str
    line: int
    before: str  # The first line that differs, as it is.
    after: str  # The same line in the mutant; what follows may have moved up.
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Give each mutant of a module once."""
    seen = {source}
    for kind, broken in (*_by_cosmic_ray(source), *by_hand(source)):
        if broken not in seen and _compiles(broken):
            seen.add(broken)
            yield _mutant(kind, source, broken)


def unbroken(source: str) -> Mutant:
    """Give a module as it is, in a mutant's place: the tests must pass with it."""
    return Mutant("Unbroken", 0, "", "", source)


def _mutant(kind: str, source: str, broken: str) -> Mutant:
    old, new = source.splitlines(), broken.splitlines()
    pairs = enumerate(zip(old, new, strict=False), 1)
    line = next((n for n, (a, b) in pairs if a != b), min(len(old), len(new)))
    return Mutant(kind, line, old[line - 1].strip(), new[line - 1].strip(), broken)


def _compiles(source: str) -> bool:
    try:
        with warnings.catch_warnings(action="error"):
            compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Node(Protocol):
    type: str
    start_pos: tuple[int, int]
    end_pos: tuple[int, int]


class _Operator(Protocol):
    def mutation_positions(self, node: _Node) -> Iterable[object]: ...


def _by_cosmic_ray(source: str) -> Iterator[tuple[str, str]]:
    # Imported here, because it is installed by `make mutants` alone; it has no types.
    plugins = import_module("cosmic_ray.plugins")
    syntax = import_module("cosmic_ray.ast")
    mutate: Callable[[str, _Operator, int], str | None]
    mutate = import_module("cosmic_ray.mutating").mutate_code
    names: Iterable[str] = plugins.operator_names()
    nodes: list[_Node] = list(syntax.ast_nodes(syntax.get_ast(source)))
    for name in names:
        if _is_left_out(name):
            continue
        operator: _Operator = plugins.get_operator(name)()
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for occurrence in range(places):
            broken = mutate(source, operator, occurrence)
            if broken is not None:
                yield name.removeprefix("core/"), broken
    yield from _in_fstrings(source, nodes)


def _is_left_out(operator: str) -> bool:
    kind, *swapped = operator.split("_")
    is_mixed = kind.endswith("ComparisonOperator") and len(IDENTITY & {*swapped}) == 1
    return is_mixed or any(part in operator for part in LEFT_OUT)


def _in_fstrings(source: str, nodes: Iterable[_Node]) -> Iterator[tuple[str, str]]:
    # `ast` does not say where the parts of an f-string are; cosmic-ray's parser does.
    lines = source.splitlines(keepends=True)
    for node in nodes:
        (line, start), (last, end) = node.start_pos, node.end_pos
        if line != last or node.type not in {"fstring_string", "fstring_expr"}:
            continue
        old = lines[line - 1]
        word = old[start:end] + "mutant" if node.type == "fstring_string" else ""
        new = old[:start] + word + old[end:]
        yield "AnotherWord", "".join([*lines[: line - 1], new, *lines[line:]])


def by_hand(source: str) -> Iterator[tuple[str, str]]:
    """Give what cosmic-ray does not: each kind of break, with the broken source."""
    text = _Text(source)
    module = ast.parse(source)
    cells = _cells(text, module)
    for node in _running(module):
        match node:
            case ast.Constant(value=str()):
                yield "AnotherWord", text.replaced(node, '"mutant"')
            case ast.BoolOp(values=values):
                for value in values:
                    rest = [text.of(v) for v in values if v is not value]
                    word = " and " if isinstance(node.op, ast.And) else " or "
                    yield "HalfGone", text.replaced(node, f"({word.join(rest)})")
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    yield "KeywordGone", text.without(keyword)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    yield "EntryGone", text.without(key or value, value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                yield from _in_row(text, elements, cells)
            case _:
                pass


def _in_row(
    text: "_Text", elements: list[ast.expr], cells: set[str]
) -> Iterator[tuple[str, str]]:
    for element in elements:
        yield "ElementGone", text.without(element)
        old = text.of(element)
        for cell in sorted(cells - {old}) if old in cells else ():
            if cell.rpartition(".")[0] == old.rpartition(".")[0]:
                yield "AnotherCell", text.replaced(element, cell)
    for one, other in pairwise(elements):
        yield "ChangedPlaces", text.swapped(one, other)


def _cells(text: "_Text", module: ast.Module) -> set[str]:
    """Give what tables are filled with: constants and members of enums, in rows."""
    return {
        text.of(cell)
        for row in _running(module)
        if isinstance(row, ast.Tuple | ast.List)
        for cell in row.elts
        if isinstance(cell, ast.Name | ast.Attribute)
        and text.of(cell).rpartition(".")[2].isupper()
    }


def _running(module: ast.Module) -> Iterator[ast.AST]:
    """Give the nodes that run: no docstrings, no annotations, no parts of f-strings."""
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.JoinedStr):
            continue
        hidden = {
            id(below)
            for field, value in ast.iter_fields(node)
            if field in ANNOTATIONS
            for below in _nodes(value)
        }
        waiting += [
            child
            for child in ast.iter_child_nodes(node)
            if id(child) not in hidden and not _is_words(child)
        ]


def _nodes(value: object) -> list[object]:
    return [*cast("list[object]", value)] if isinstance(value, list) else [value]


def _is_words(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return False


class _Text:
    """A module's source, cut by the positions that ``ast`` gives (UTF-8 bytes)."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def of(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._bytes[start:end].decode()

    def replaced(self, node: ast.expr, text: str) -> str:
        start, end = self._span(node)
        return (self._bytes[:start] + text.encode() + self._bytes[end:]).decode()

    def without(
        self, first: ast.expr | ast.keyword, last: ast.expr | None = None
    ) -> str:
        """Cut an element out, with the comma behind it, or else the one before."""
        start, end = self._span(first)[0], self._span(last or first)[1]
        tail = self._bytes[end:].lstrip()
        head = self._bytes[:start]
        if tail.startswith(b","):
            tail = tail[1:]
        else:
            head = head.rstrip().removesuffix(b",")
        return (head + tail).decode()

    def swapped(self, one: ast.expr, other: ast.expr) -> str:
        (a, b), (c, d) = self._span(one), self._span(other)
        data = self._bytes
        return (data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]).decode()

    def _span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        last, column = node.end_lineno or 0, node.end_col_offset or 0
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[last - 1] + column
