# SPDX-License-Identifier: Apache-2.0
"""Sentences for conditions and events: one line, printable, bounded."""

from collections.abc import Iterable
from typing import Final

# As long as the API server lets an Event's note be; conditions are held to the same
# (B4.1, B4.7).
BYTES_MAX: Final = 1024

# A list longer than this is cut: nobody reads the names of a thousand pods.
_NAMES_MAX: Final = 5


def bounded(text: str) -> str:
    """Make one printable line of a text, and cut it on a character where too long.

    >>> bounded("no" + chr(9) + "such" + chr(27) + "[31m file")
    'no such [31m file'
    """
    line = "".join(c if c.isprintable() else " " for c in text[: BYTES_MAX * 2])
    line = " ".join(line.split())
    data = line.encode(errors="replace")
    if len(data) <= BYTES_MAX:
        return data.decode()
    return data[: BYTES_MAX - 3].decode(errors="ignore") + "..."


def listed(names: Iterable[str]) -> str:
    """Name a few things, and count the rest.

    >>> listed(["a", "b"]), listed("abcdefg")
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    every = list(names)
    shown, rest = every[:_NAMES_MAX], len(every) - _NAMES_MAX
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
