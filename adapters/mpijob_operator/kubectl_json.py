# SPDX-License-Identifier: Apache-2.0
"""JSON as kubectl reads it: one value after another, whole numbers whole.

Unlike kubectl, a key given twice is refused, and depth is bounded.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, cast

from mpijob_operator.kubectl_scalars import DEPTH_MAX, TOO_DEEP, Refused, number

_SPACE: Final = re.compile(r"\s*")
# Compiled where it is used, which is rare.
_ESCAPE: Final = (
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|[^\n])"
)

# A number of fewer digits is an int64.
_INT64_DIGITS: Final = 19

# int() refuses more digits than 4,300; an int64 has 19 and a sign.
_INT_DIGITS_MAX: Final = 20


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a key is given twice")
    return mapping


def _json_int(text: str) -> int | float:
    if len(text) < _INT64_DIGITS:
        return int(text)
    return number(int(text) if len(text) <= _INT_DIGITS_MAX else _json_float(text))


def _json_float(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number(value)


def _json_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_JSON: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_json_int,
    parse_float=_json_float,
    parse_constant=_json_constant,
)


def _with_whole_characters(text: str) -> str:
    r"""Replace each lone half of a UTF-16 pair, as Go does; nothing can print one."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return re.sub(_ESCAPE, lambda found: "\\ufffd" if found["lone"] else found[0], text)


def _is_deep(value: object) -> bool:
    """Return whether collections are nested too deep; a recursive reader cannot say."""
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        inside: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inside += cast("dict[str, object]", item).values()
            elif isinstance(item, list):
                inside += cast("list[object]", item)
        level = [one for one in inside if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _not_json(error: ValueError | RecursionError) -> Refused:
    if isinstance(error, RecursionError):
        return Refused(TOO_DEEP)
    if isinstance(error, json.JSONDecodeError):
        problem = error.msg[0].lower() + error.msg[1:]
        return Refused(f"this is not JSON: {problem}", error.lineno)
    return Refused(f"this is not JSON: {error}")


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def values_of(text: str) -> Iterator[tuple[object, int, int]]:
    """Give each value, and where its text starts and ends.

    Raises:
        Refused: With the line and what is wrong.
    """
    text = _with_whole_characters(text)
    at = _end_of_space(text, 0)
    while at < len(text):
        try:
            value, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _not_json(error) from None
        if _is_deep(value):
            raise _not_json(RecursionError())
        yield value, at, end
        at = _end_of_space(text, end)
