# SPDX-License-Identifier: Apache-2.0
r"""Write JSON values as YAML that kubectl reads as the very same values.

A text goes without quotes only where no reader could take it for anything else; scripts
and host files go line by line. (PyYAML writes `1e3` bare, which kubectl reads as 1000,
and takes half a minute for 10,000 pods.)

>>> print(text({"mode": "0644", "args": ["-n", "2"], "script": "a\nb\n"}), end="")
mode: "0644"
args:
- "-n"
- "2"
script: |
  a
  b
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

Json = (
    Mapping[str, object] | list[object] | tuple[object, ...] | str | float | bool | None
)

# Nothing in it is an indicator, and it is neither a number, a date nor a boolean:
# those begin otherwise, or are among the words below.
_BARE: Final = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*"
    r"|[1-9][0-9]*(m|[KMGTPE]i)"  # A quantity, which no reader takes for a number.
)
# In any case: FALSE, Off, ...
_WORDS: Final = frozenset(("false", "n", "no", "null", "off", "on", "true", "y", "yes"))

# Lines of what every reader shows as it is, with nothing invisible at either end.
_SEEN: Final = r"!-~\u00a1-\u1fff\u2070-\ud7ff"
_BLOCK: Final = re.compile(rf"(?!\s)(?:(?:[ {_SEEN}]*[{_SEEN}])?\n)+(?<!\n\n)")
# What JSON leaves as it is and YAML wants escaped.
_ESCAPED: Final = re.compile(r"[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def text(value: object) -> str:
    """Return one document."""
    return "".join(f"{line}\n" for line in _lines(value, ""))


def texts(values: Iterable[object]) -> Iterator[str]:
    """Give several documents with separators between them, one by one."""
    for number, value in enumerate(values):
        yield ("---\n" if number else "") + text(value)


def _lines(given: object, indent: str) -> Iterator[str]:
    value = cast("Json", given)
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", inner, indent)
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            yield from _item(inner, indent)
    else:
        yield indent + _scalar(value)


def _entry(start: str, given: object, indent: str) -> Iterator[str]:
    value = cast("Json", given)
    if isinstance(value, str) and _BLOCK.fullmatch(value):
        yield f"{start} |"
        yield from (f"{indent}  {line}".rstrip() for line in value[:-1].split("\n"))
    elif isinstance(value, Mapping | list | tuple) and value:
        yield start
        # A list stands as far left as its key, as kubectl writes it.
        deeper = f"{indent}  " if isinstance(value, Mapping) else indent
        yield from _lines(value, deeper)
    else:
        yield f"{start} {_scalar(value)}"


def _item(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from _entry(f"{indent}-", value, indent)
        return
    lines = _lines(value, f"{indent}  ")
    yield f"{indent}- {next(lines).lstrip()}"
    yield from lines


def _scalar(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, default=list)
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
