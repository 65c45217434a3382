# SPDX-License-Identifier: Apache-2.0
"""What one scalar of YAML means to kubectl: a text, a number, a boolean or nothing.

kubectl turns YAML into JSON with a reader that is neither YAML 1.1 nor 1.2: `yes` and
even `y` are true, `0644` and `0o644` are 420, `1e3` is 1000, while `1:30`, `=` and
dates stay text. What that reader does was measured (sigs.k8s.io/yaml 1.6.0), and the
facts are kept as tests.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from types import NoneType
from typing import Final

from yaml import events

# A pod in a list is 12 levels deep, its managedFields 20. The limit is what a recursive
# reader of the value (a printer, a comparison) can take without thinking of its stack.
DEPTH_MAX: Final = 100
TOO_DEEP: Final = f"this is nested more than {DEPTH_MAX} levels deep"

_TRUE: Final = "y Y yes Yes YES true True TRUE on On ON"
_FALSE: Final = "n N no No NO false False FALSE off Off OFF"
_NULL: Final = "~ null Null NULL"
_INFINITE: Final = ".inf .Inf .INF +.inf +.Inf +.INF"
_MINUS_INFINITE: Final = "-.inf -.Inf -.INF"
_NOT_A_NUMBER: Final = ".nan .NaN .NAN"
_WORDS: Final[Mapping[str, object]] = {
    "": None,
    **dict.fromkeys(_NULL.split()),
    **dict.fromkeys(_TRUE.split(), True),
    **dict.fromkeys(_FALSE.split(), False),
    **dict.fromkeys(_INFINITE.split(), math.inf),
    **dict.fromkeys(_MINUS_INFINITE.split(), -math.inf),
    **dict.fromkeys(_NOT_A_NUMBER.split(), math.nan),
}
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)"
    r"|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))",
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}

# -2**63 in base 2 has 66 characters, "-0b" and a 0 included; what is longer is floating
# point or text. (int() takes quadratic time on long texts, or refuses them.)
_INT_CHARACTERS_MAX: Final = 68

_TAG: Final = "tag:yaml.org,2002:"
_TAGGED: Final[Mapping[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "float": (int, float),
    "int": (int,),
    "null": (NoneType,),
}


class Refused(Exception):  # noqa: N818 - what it means; it never leaves the shell.
    """This text is not a document that kubectl reads, or one that we would."""

    def __init__(self, message: str, line: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message = message  # Reads on from "FILE:LINE: ".
        self.line = line  # Counted from 1, in the text given.
        self.hint = hint


def number(value: float) -> int | float:
    """Return the number as Kubernetes has it: whole where it is an int64.

    >>> number(1e3), number(0.5), number(2**63)
    (1000, 0.5, 9.223372036854776e+18)
    """
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    return int(value) if abs(value) < 2**63 and value.is_integer() else value


def plain(text: str) -> object:
    """Return what a scalar without quotes and tag means.

    >>> [plain(text) for text in ("0644", "yes", "1e3", "1:30", "~", "v1.30")]
    [420, True, 1000.0, '1:30', None, 'v1.30']
    """
    if text in _WORDS:
        return _WORDS[text]
    return _numeric(text) if text[0] in _NUMBER_STARTS else text


def _numeric(text: str) -> object:
    digits = text if text[0] == "." else text.replace("_", "")
    whole = _integer(digits)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(digits) and math.isfinite(value := float(digits)):
        return value
    return text


def _integer(text: str) -> int | None:
    found = _INT.fullmatch(text) if len(text) <= _INT_CHARACTERS_MAX else None
    if found is None or found.lastgroup is None:
        return None
    value = int(found["sign"] + found[found.lastgroup], _BASES[found.lastgroup])
    # Unsigned 64 bits are read, too; `number` then makes them floating point.
    return value if -(2**63) <= value < 2**64 else None


def _tagged(text: str, kind: str, line: int) -> object:
    if kind == "binary":
        try:
            decoded = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise Refused("a value marked !!binary is not base64", line) from None
        return decoded.decode(errors="replace")
    if kind not in _TAGGED:
        return text  # kubectl does not mind a tag that it does not know.
    value = plain(text)
    if type(value) not in _TAGGED[kind]:
        raise Refused(f"a value marked !!{kind} is not one", line)
    return value


def scalar_of(event: events.ScalarEvent, line: int) -> object:
    """Return what the scalar means; a number as it is written."""
    if event.tag is None:
        return plain(event.value) if event.implicit[0] else event.value
    return _tagged(event.value, event.tag.removeprefix(_TAG), line)


def json_value(scalar: object, line: int) -> object:
    """Return the scalar as a value in JSON."""
    if isinstance(scalar, bool) or not isinstance(scalar, int | float):
        return scalar
    if not math.isfinite(scalar):
        raise Refused(
            "a number is infinite or not a number, and JSON has neither",
            line,
            "quote it, if it is a text",
        )
    return number(scalar)


def key_of(scalar: object, line: int) -> str:
    """Return the scalar as a key in JSON, which is text."""
    if isinstance(scalar, str):
        return scalar
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    if isinstance(scalar, int) and scalar < 2**63:
        return str(scalar)
    # kubectl's text of a number is the shortest that 32 bits tell apart. Up to six
    # digits that is this one; a longer number it would change in silence.
    if isinstance(scalar, float) and math.isfinite(scalar):
        text = f"{scalar:.6g}"
        if float(text) == scalar:
            return text
    raise Refused("a key is neither text nor a short number", line, "quote the key")
