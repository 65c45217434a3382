# SPDX-License-Identifier: Apache-2.0
"""What a person reads: headings, tables and sentences, for a pipe or a terminal.

A pipe gets plain text, columns apart by two blanks, whatever the width. A terminal gets
colour and lines that wrap within their column.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from mpijob_operator.field_path import printable
from mpijob_operator.streams import LINE_MAX, Streams

if TYPE_CHECKING:
    from rich.console import RenderableType

# What a row's mark means, and how a terminal shows it.
MADE: Final = "+"
CHANGED: Final = "~"
GOES: Final = "-"
STAYS: Final = "="
STYLES: Final = {MADE: "green", CHANGED: "yellow", GOES: "red", STAYS: "dim"}


class Heading(NamedTuple):
    """What the following is about."""

    text: str


class Sentences(NamedTuple):
    """Prose, a line a sentence."""

    lines: tuple[str, ...]


class Table(NamedTuple):
    """Rows of as many cells as the header has."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Sentences | Table
Page = Sequence[Block]


def plain(page: Page) -> Iterator[str]:
    """Give the lines of a page, as a pipe gets them."""
    for number, block in enumerate(page):
        if number:
            yield ""
        match block:
            case Heading():
                yield _clean(block.text)
            case Sentences():
                yield from map(_clean, block.lines)
            case Table():
                yield from _columns((block.header, *block.rows))
            case _:
                assert_never(block)


def _clean(text: str) -> str:
    return printable(text, LINE_MAX)


def _columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Align the columns; the last one is as long as it is.

    >>> list(_columns([("A", "B"), ("long", "x")]))
    ['A     B', 'long  x']
    """
    cells = [[_clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    for row in cells:
        padded = (
            cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)
        )
        yield "  ".join((*padded, row[-1])).rstrip()


def show(page: Page, streams: Streams) -> None:
    """Print a page on stdout."""
    if not streams.stdout.isatty() or os.environ.get("TERM") == "dumb":
        streams.print_all(plain(page))
        return
    from rich.console import Console  # noqa: PLC0415 - for a terminal only: it is slow.

    # Rich reads NO_COLOR by itself. No text of ours is markup, and no word is special.
    console = Console(file=streams.stdout, highlight=False, markup=False, emoji=False)
    for number, block in enumerate(page):
        if number:
            console.print()
        console.print(_for_terminal(block))


def show_all(pages: Iterable[Page], streams: Streams) -> None:
    """Print several pages, a blank line between them."""
    for number, page in enumerate(pages):
        if number:
            streams.print()
        show(page, streams)


def _for_terminal(block: Block) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415 - see `show`.

    match block:
        case Heading():
            return Text(_clean(block.text), style="bold")
        case Sentences():
            return Text("\n".join(map(_clean, block.lines)))
        case Table():
            return _grid(block)
        case _:
            assert_never(block)


def _grid(block: Table) -> "RenderableType":
    from rich.table import Table as Grid  # noqa: PLC0415 - see `show`.
    from rich.text import Text  # noqa: PLC0415 - see `show`.

    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, title in enumerate(block.header):
        last = number == len(block.header) - 1
        grid.add_column(title, overflow="fold", no_wrap=not last)
    for row in block.rows:
        style = STYLES.get(row[0], "")
        grid.add_row(*(Text(_clean(cell)) for cell in row), style=style)
    return grid
