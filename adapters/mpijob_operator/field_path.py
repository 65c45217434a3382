# SPDX-License-Identifier: Apache-2.0
"""Where a field stands in an object, and how it and its value are shown.

A path has two forms: a tuple for programs, `("spec", "containers", 0, "name")`, and a
text for people, `spec.containers[0].name`. Each is made of the other without loss.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

Path = tuple[str | int, ...]

# Patterns are compiled when first used: a start that meets no mistake needs none.
# A key that needs no brackets. A label's key has dots and does.
_WORD: Final = r"[A-Za-z0-9_$-]+"
_BARE: Final = r'[^\x00-\x20\x7f"\[\]][^\x00-\x1f\x7f\[\]]*'
_INDEX: Final = r"[0-9]+"
_PART: Final = (
    r'\.?(?P<word>[^.\[\]]+)|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|\[(?P<bare>[^\[\]]*)\]'
)

# What fits on a line of a terminal beside a file name and a path.
SHOWN_MAX: Final = 120


def printable(text: str, limit: int = SHOWN_MAX) -> str:
    r"""Return the text on one line, without control characters, at most `limit` long.

    >>> printable("a\x1b[31mb\n"), printable("x" * 9, limit=5)
    ('a\\x1b[31mb\\n', 'xx...')
    """
    cut = text if len(text) <= limit else text[: max(0, limit - 3)] + "..."
    return "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def type_word(value: object) -> str:
    """Return what a reader of the JSON would call the value.

    >>> [type_word(value) for value in (True, 1, 0.5, "a", [], {}, None)]
    ['a boolean', 'a number', 'a number', 'text', 'a list', 'an object', 'null']
    """
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def path_text(path: Path) -> str:
    """Return the path as the API server writes it.

    >>> path_text(("metadata", "labels", "app.kubernetes.io/name"))
    'metadata.labels[app.kubernetes.io/name]'
    >>> path_text(("spec", "containers", 0, "env", 3, "name"))
    'spec.containers[0].env[3].name'
    """
    return "".join(_part_texts(path)).removeprefix(".")


def _part_texts(path: Path) -> Iterator[str]:
    for part in path:
        if isinstance(part, int):
            yield f"[{part}]"
        elif re.fullmatch(_WORD, part):
            yield f".{part}"
        elif re.fullmatch(_BARE, part) and part.isprintable():
            yield f"[{part}]"
        else:
            yield f"[{json.dumps(part)}]"


def parse_path(text: str) -> Path:
    """Return the path that the text names; what is not of its form ends it.

    >>> parse_path("metadata.labels[app.kubernetes.io/name]")
    ('metadata', 'labels', 'app.kubernetes.io/name')
    >>> parse_path("spec.containers[0].env[3].name")
    ('spec', 'containers', 0, 'env', 3, 'name')
    """
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[str | int]:
    part, at = re.compile(_PART), 0
    while found := part.match(text, at):
        at = found.end()
        if found["word"] is not None:
            yield found["word"]
        elif found["quoted"] is not None:
            yield json.loads(found["quoted"])
        else:
            bare = found["bare"]
            yield int(bare) if re.fullmatch(_INDEX, bare) else bare
