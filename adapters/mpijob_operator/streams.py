# SPDX-License-Identifier: Apache-2.0
"""Where a command reads and writes: data on stdout, all else on stderr.

Whatever is said here is one line without control characters: names and values come from
files that others wrote, and a terminal obeys what it is sent.
"""

import os
import sys
from collections.abc import Iterable
from io import BytesIO, TextIOWrapper
from typing import BinaryIO, Final, NamedTuple, TextIO

from mpijob_operator.field_path import printable

# A condition's message has 1,024 bytes at most; with a place and a path it fits.
LINE_MAX: Final = 2_000

# Select Graphic Rendition: bold in red, in yellow, in cyan.
_COLOURS: Final = {"error": "1;31", "warning": "1;33", "hint": "1;36", "note": "1;36"}


class Streams(NamedTuple):
    """The three streams of a process, or what stands in for them."""

    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO

    def print(self, line: str = "") -> None:
        """Write a line of data."""
        self.stdout.write(f"{line}\n")

    def print_all(self, lines: Iterable[str]) -> None:
        """Write lines of data."""
        self.stdout.writelines(f"{line}\n" for line in lines)

    def error(self, message: str, hint: str = "") -> None:
        """Say what is wrong, and how to mend it."""
        self._say("error", message, hint)

    def warning(self, message: str, hint: str = "") -> None:
        """Say what is likely a mistake."""
        self._say("warning", message, hint)

    def note(self, message: str, hint: str = "") -> None:
        """Say what a reader may wonder about."""
        self._say("note", message, hint)

    def _say(self, word: str, message: str, hint: str) -> None:
        colour = wants_colour(self.stderr)
        self.stderr.write(said(word, message, colour=colour) + "\n")
        if hint:
            self.stderr.write(said("hint", hint, colour=colour) + "\n")


def said(word: str, message: str, *, colour: bool = False) -> str:
    r"""Return a line that begins with what kind of line it is.

    >>> said("error", "no such\tfile"), said("hint", "look", colour=True)
    ('error: no such\\tfile', '\x1b[1;36mhint\x1b[0m: look')
    """
    text = printable(message, LINE_MAX)
    start = f"\x1b[{_COLOURS[word]}m{word}\x1b[0m" if colour else word
    return f"{start}: {text}"


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user likes colours (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def standard() -> Streams:
    """Return the streams of this process; what they cannot spell, they escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Python has None for one that was closed before we began, as `>&-` does.
    given: tuple[TextIO | None, ...] = (sys.stdin, sys.stdout, sys.stderr)
    stdin, stdout, stderr = given
    return Streams(
        BytesIO() if stdin is None else stdin.buffer,
        # A write fails on this one, as it would on the one that was closed.
        _nowhere(os.O_RDONLY) if stdout is None else stdout,
        _nowhere(os.O_WRONLY) if stderr is None else stderr,
    )


def _nowhere(access: int) -> TextIO:
    return os.fdopen(os.open(os.devnull, access), "w", encoding="utf-8")
