# SPDX-License-Identifier: Apache-2.0
"""Read what a user names after `-f`: files, folders and stdin, as kubectl does.

A mistake in one document never hides another: all documents that can be read come
back, and with them an error for each place that could not, with file, line and a hint.
"""

# ruff: noqa: PTH112, PTH118, PTH123, PTH208 - pathlib takes 3 ms of a start of 100.

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import BinaryIO, Final, cast

from attrs import field, frozen

from mpijob_operator import kubectl_json, kubectl_yaml
from mpijob_operator.field_path import Path, parse_path, path_text, printable, type_word
from mpijob_operator.kubectl_scalars import Refused
from mpijob_operator.kubectl_yaml import NotYaml

__all__ = [
    "MANIFEST_BYTES_MAX",
    "OBSERVED_BYTES_MAX",
    "Document",
    "Documents",
    "InputError",
    "parse_path",
    "path_text",
    "printable",
    "read",
]

# etcd takes 1.5 MiB an object: room for ten of the largest jobs in one file.
MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024

# What a cluster holds, as kubectl prints it: 10,000 pods are about 100 MB.
OBSERVED_BYTES_MAX: Final = 1024 * 1024 * 1024

# Those that kubectl reads from a folder; like it, not from the folders inside.
SUFFIXES: Final = (".json", ".yaml", ".yml")

STDIN: Final = "-"

_SEPARATOR: Final = re.compile(r"^---(.*)$", re.MULTILINE)

# The text of one document and the line where it begins.
_Chunk = tuple[str, int]


@frozen
class InputError:
    """One thing that could not be read, and where."""

    source: str
    line: int | None  # None where the fault is the whole source's.
    message: str  # Reads on from the place.
    hint: str = ""

    def __str__(self) -> str:
        """Return the sentence, place first."""
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.message}"


@frozen
class Document:
    """One object that a user gave, and where each of its fields stands."""

    value: Mapping[str, object]
    source: str
    _chunk: _Chunk = field(repr=False)  # To find lines in.
    _prefix: Path = ()  # Where the object is in a List.

    @property
    def api_version(self) -> str:
        """Return its apiVersion, or nothing if it has none that is text."""
        return _text(self.value.get("apiVersion"))

    @property
    def kind(self) -> str:
        """Return its kind, or nothing if it has none that is text."""
        return _text(self.value.get("kind"))

    def line_of(self, path: Path | str = ()) -> int:
        """Return the line of the field, or of what should have held it."""
        parts = parse_path(path) if isinstance(path, str) else path
        text, line = self._chunk
        return line - 1 + kubectl_yaml.line_of(text, self._prefix + parts)

    def place_of(self, path: Path | str = ()) -> str:
        """Return file and line, as compilers print them."""
        return f"{self.source}:{self.line_of(path)}"


@frozen
class Documents:
    """All that could be read, in the order given, and what could not."""

    documents: tuple[Document, ...] = ()
    errors: tuple[InputError, ...] = ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _values(text: str) -> list[tuple[object, _Chunk]]:
    """Return the values that stand between two separators: one, or a JSON stream.

    What begins like JSON and is not may still be YAML, kubectl says; where both fail,
    the fault that is named is the one of the language that was meant.
    """
    if not text.lstrip().startswith("{"):
        return [(kubectl_yaml.value_of(text), (text, 1))]
    try:
        return [
            (value, (text[start:end], 1 + text.count("\n", 0, start)))
            for value, start, end in kubectl_json.values_of(text)
        ]
    except Refused as error:
        not_json = error
    if len(text) > MANIFEST_BYTES_MAX:
        raise not_json  # YAML would take minutes to come to no other end.
    try:
        return [(kubectl_yaml.value_of(text), (text, 1))]
    except NotYaml:
        if re.match(r'\s*\{\s*["}]', text):
            raise not_json from None
        raise


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refused("this is UTF-16, and must be UTF-8", 1, "save it as UTF-8")
    zero = data.find(b"\0")
    if zero >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise Refused("this is not text: it has a zero byte", line)
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        raise Refused(f"this is not UTF-8: it has the byte {byte}", line) from None


def _chunks(text: str) -> Iterator[_Chunk | Refused]:
    """Give the text between separators: lines that begin with three dashes."""
    start, line = 0, 1
    for separator in _SEPARATOR.finditer(text):
        yield text[start : separator.start()], line
        line += text.count("\n", start, separator.start())
        rest = separator[1].strip()
        if rest and not rest.startswith("#"):
            yield Refused(
                f'"---" is followed by {printable(rest, 40)!r}',
                line,
                "only a comment may stand there; kubectl refuses anything else",
            )
        start = separator.end()
    yield text[start:], line


def _objects(
    value: object, chunk: _Chunk, source: str, prefix: Path = ()
) -> Iterator[Document | InputError]:
    """Give the object itself, or, of a List, the objects in it."""
    document = Document(
        cast("dict[str, object]", value) if isinstance(value, dict) else {},
        source,
        chunk,
        prefix,
    )
    items = document.value.get("items")
    if document.kind.endswith("List") and isinstance(items, list | NoneType):
        inner = cast("list[object]", items or [])
        for index, item in enumerate(_items(document, inner)):
            yield from _objects(item, chunk, source, (*prefix, "items", index))
    elif not isinstance(value, dict):
        what = f"this is {type_word(value)}, and must be an object"
        yield InputError(source, document.line_of(), what, _AN_OBJECT)
    elif missing := [
        key for key in ("apiVersion", "kind") if not _text(document.value.get(key))
    ]:
        what = f"this object has no {' and no '.join(missing)}"
        yield InputError(source, document.line_of(), what, _AN_OBJECT)
    else:
        yield document


_AN_OBJECT: Final = "an object begins with apiVersion and kind"


def _items(of: Document, items: Iterable[object]) -> Iterator[object]:
    """Give the items, each with the apiVersion and kind that a PodList leaves out."""
    head = {"apiVersion": of.api_version, "kind": of.kind.removesuffix("List")}
    for item in items:
        if isinstance(item, dict) and head["kind"]:
            yield {**head, **cast("dict[str, object]", item)}
        else:
            yield item


def _read_text(source: str, text: str) -> Iterator[Document | InputError]:
    empty = True
    for chunk in _chunks(text):
        if isinstance(chunk, Refused):
            yield InputError(source, chunk.line, chunk.message, chunk.hint)
            continue
        text, line = chunk
        try:
            values = _values(text)
        except Refused as error:
            empty = False
            yield InputError(source, line - 1 + error.line, error.message, error.hint)
            continue
        for value, (part, offset) in values:
            if value is not None:
                empty = False
                yield from _objects(value, (part, line - 1 + offset), source)
    if empty:
        yield InputError(source, None, "there is no object in it", _AN_OBJECT)


def _read_bytes(
    source: str, data: bytes, bytes_max: int
) -> Iterator[Document | InputError]:
    if len(data) > bytes_max:
        what = f"this is larger than {bytes_max >> 20} MiB, the most that is read"
        yield InputError(source, None, what, "split it into several files")
        return
    try:
        text = _decoded(data)
    except Refused as error:
        yield InputError(source, error.line, error.message, error.hint)
        return
    yield from _read_text(source, text)


def of_text(source: str, text: str) -> Documents:
    """Read what some program wrote, in place of a file."""
    found = list(_read_text(source, text))
    return Documents(
        tuple(each for each in found if isinstance(each, Document)),
        tuple(each for each in found if isinstance(each, InputError)),
    )


def _unreadable(path: str, error: Exception) -> InputError:
    source = printable(path)
    if isinstance(error, FileNotFoundError):
        return InputError(source, None, "there is no such file", _near(path))
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return InputError(source, None, f"cannot be read: {printable(str(reason)).lower()}")


def _near(path: str) -> str:
    if "://" in path:
        return "nothing is fetched: pipe what curl prints into -f -"

    import difflib  # noqa: PLC0415 - for a mistake only; it is not free.

    folder, name = os.path.split(path)
    try:
        beside = os.listdir(folder or ".")
    except OSError:
        return ""
    near = difflib.get_close_matches(name, beside, n=1)
    return f"did you mean {printable(os.path.join(folder, near[0]))}?" if near else ""


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    inside = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    return [
        file for file in inside if file.endswith(SUFFIXES) and not os.path.isdir(file)
    ]


def _read_path(
    path: str, stdin: BinaryIO | None, bytes_max: int
) -> Iterator[Document | InputError]:
    if path == STDIN:
        try:
            data = stdin.read(bytes_max + 1) if stdin else b""
        except OSError as error:
            yield _unreadable("stdin", error)
        else:
            yield from _read_bytes("stdin", data, bytes_max)
        return
    try:
        files = _files(path)
    except OSError as error:
        yield _unreadable(path, error)
        return
    if not files:
        what = f"this folder has no file that ends in {', '.join(SUFFIXES)}"
        yield InputError(printable(path), None, what, "folders inside are not read")
    for file in files:
        try:
            with open(file, "rb") as stream:
                data = stream.read(bytes_max + 1)
        except (OSError, ValueError) as error:
            yield _unreadable(file, error)
        else:
            yield from _read_bytes(printable(file), data, bytes_max)


def read(
    names: Iterable[str],
    stdin: BinaryIO | None = None,
    *,
    bytes_max: int = MANIFEST_BYTES_MAX,
) -> Documents:
    """Read each file, folder or, for "-", stdin, in the order given.

    Args:
        names: As a user writes them.
        stdin: Where "-" reads from.
        bytes_max: The largest source that is read; `OBSERVED_BYTES_MAX` for the state
            of a cluster.

    Returns:
        Every object that could be read, Lists taken apart, and an error for all else.
        Nothing that a user can name makes it raise.
    """
    documents: list[Document] = []
    errors: list[InputError] = []
    for name in names:
        for item in _read_path(name, stdin, bytes_max):
            if isinstance(item, Document):
                documents.append(item)
            else:
                errors.append(item)
    return Documents(tuple(documents), tuple(errors))
