# SPDX-License-Identifier: Apache-2.0
"""One YAML document, as kubectl reads it.

We differ from it where it is silent about a loss: a key given twice is refused here.

Theory of operation
===================

The document is built from the parser's events, in one loop without recursion. So depth
is a number that we hold against a limit, never the interpreter's stack; an alias is one
more reference to a value that is there already; and memory holds the values alone.
(PyYAML's own way, by a tree of nodes, takes 8 times as long.) What aliases *would* add
if each were written out is counted all the same, because whoever prints or checks the
value writes them out.

Lines are not kept. Few are ever asked for, so `line_of` reads the document again, up to
the place in question.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast

import yaml
from yaml import events

from mpijob_operator.field_path import Path, printable
from mpijob_operator.kubectl_scalars import (
    DEPTH_MAX,
    TOO_DEEP,
    Refused,
    json_value,
    key_of,
    scalar_of,
)

if TYPE_CHECKING:
    from typing import Protocol

    class _Parser(Protocol):
        """The part of a PyYAML loader that is used here, and that has no stub."""

        def get_event(self) -> yaml.Event: ...


# What aliases may add, in characters: twice the 1.5 MiB that etcd takes for an object.
# A bomb of nine lines adds gigabytes.
ALIASED_MAX: Final = 3 * 1024 * 1024


class NotYaml(Refused):
    """The text breaks YAML's grammar, so nothing can be said of its content."""


def _line(event: yaml.Event) -> int:
    # The stubs allow for an event without marks; the parser gives none such.
    return event.start_mark.line + 1 if event.start_mark else 1


_INDENTATION: Final = "check the indentation of the lines around it"
_COLON: Final = f'quote a text that has ": " in it, or {_INDENTATION}'
_CLOSE: Final = "close what is open: a bracket, a brace or a quote"

# What the parser says that a writer of manifests meets, what to do then, and whether
# the fault is where the parser began to read rather than where it gave up.
_HINTS: Final = (
    ("mapping values are not allowed", _COLON, False),
    ("could not find expected ':'", _INDENTATION, True),
    ("did not find expected key", _INDENTATION, False),
    ("<document start>", "separate documents by a line of three dashes", False),
    ("did not find expected", _CLOSE, True),
    ("unexpected end of stream", _CLOSE, True),
    ("unknown escape character", "in double quotes, write a backslash twice", False),
    ("", "", False),
)


def _not_yaml(error: yaml.YAMLError, text: str) -> NotYaml:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        # The reader's error: a character that YAML does not allow.
        at = int(getattr(error, "position", 0))
        return NotYaml(
            f"this is not YAML: it has the control character {text[at : at + 1]!r}",
            text.count("\n", 0, at) + 1,
            'write it as an escape in double quotes, like "\\x1b"',
        )
    problem, mark = error.problem or "", error.problem_mark
    lines = text.split("\n", mark.line + 1)
    character = lines[min(mark.line, len(lines) - 1)][mark.column :][:1]
    if "nesting depth" in problem:  # libyaml looks ahead, and has a limit of its own.
        return NotYaml(TOO_DEEP, mark.line + 1)
    if character == "\t" or "tab" in problem:
        return NotYaml(
            "this is not YAML: a tab stands where only spaces may",
            mark.line + 1,
            "indent with spaces",
        )
    if "cannot start any token" in problem:
        return NotYaml(
            f"this is not YAML: a value cannot start with {character!r}",
            mark.line + 1,
            "quote the value",
        )
    _, hint, at_start = next(entry for entry in _HINTS if entry[0] in problem)
    if at_start and error.context_mark:
        mark = error.context_mark
    line = min(mark.line, text.rstrip().count("\n")) + 1
    return NotYaml(f"this is not YAML: {problem}", line, hint)


# PyYAML has a C parser where libyaml was at hand when it was built.
_LOADER: Final = cast(
    "Callable[[str], _Parser]", getattr(yaml, "CSafeLoader", yaml.SafeLoader)
)


def _nodes(text: str) -> Iterator[yaml.Event]:
    """Give the events of the only document, without those around it."""
    documents = 0
    try:
        loader = _LOADER(text)
        while not isinstance(event := loader.get_event(), events.StreamEndEvent):
            if isinstance(event, events.NodeEvent | events.CollectionEndEvent):
                yield event
            elif isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise NotYaml("a second document starts here", _line(event))
    except yaml.YAMLError as error:
        raise _not_yaml(error, text) from None


_Mapping = dict[str, object]

# What stands for the key "<<" without quotes: merge the value that follows.
_MERGE: Final = object()


class _Open:
    """A mapping or a list whose end has not been seen."""

    def __init__(
        self, value: _Mapping | list[object], anchor: str | None, weight: int
    ) -> None:
        self.value = value
        self.anchor = anchor
        self.weight = weight  # The builder's, when this began.
        self.key: object = None  # The key that waits for its value.
        self.merged: set[str] = set()  # Keys that "<<" gave: they may be replaced.


# An anchor whose value is not complete has no weight.
_INCOMPLETE: Final = -1


class _Builder:
    """The value so far, and what of it is open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: object = None
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[object, int]] = {}
        self.weight = 0  # Characters and nodes, if each alias were written out.
        self.aliased = 0  # The part of the weight that aliases added.

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, events.ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, events.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end(_line(event))
        elif isinstance(event, events.AliasEvent):
            self._take_alias(event)

    def _take_scalar(self, event: events.ScalarEvent) -> None:
        start, line = self.weight, _line(event)
        self.weight += len(event.value) + 1
        if self._wants_key and event.value == "<<" and event.implicit[0]:
            self.open[-1].key = _MERGE
            return
        scalar = scalar_of(event, line)
        value = scalar if self._wants_key else json_value(scalar, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = value, self.weight - start
        self._put(value, line)

    def _take_alias(self, event: events.AliasEvent) -> None:
        name, line = str(event.anchor), _line(event)
        if name not in self.anchors:
            raise Refused(f"*{printable(name)} has no anchor before it", line)
        value, weight = self.anchors[name]
        if weight == _INCOMPLETE:
            raise Refused(f"*{printable(name)} is inside the value that it names", line)
        self.weight += weight
        self.aliased += weight
        if self.aliased > ALIASED_MAX:
            raise Refused(
                f"aliases repeat more than {ALIASED_MAX >> 20} MiB of this document",
                line,
                "write out what differs; etcd takes 1.5 MiB for an object",
            )
        self._put(value, line)

    def _start(self, event: events.CollectionStartEvent) -> None:
        line = _line(event)
        if self._wants_key:
            raise Refused("a key is a list or a mapping, and must be text", line)
        if len(self.open) == DEPTH_MAX:
            raise Refused(TOO_DEEP, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = None, _INCOMPLETE
        is_list = isinstance(event, events.SequenceStartEvent)
        self.open.append(_Open([] if is_list else {}, event.anchor, self.weight))
        self.weight += 1

    def _end(self, line: int) -> None:
        done = self.open.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = done.value, self.weight - done.weight
        self._put(done.value, line)

    @property
    def _wants_key(self) -> bool:
        return (
            bool(self.open)
            and isinstance(self.open[-1].value, dict)
            and self.open[-1].key is None
        )

    def _put(self, value: object, line: int) -> None:
        if not self.open:
            self.root = value
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key = self._new_key(key_of(value, line), top.value, top.merged, line)
        elif top.key is _MERGE:
            _merge(value, top.value, top.merged, line)
            top.key = None
        else:
            top.value[str(top.key)] = value
            top.key = None

    def _new_key(self, key: str, mapping: _Mapping, merged: set[str], line: int) -> str:
        if key in mapping and key not in merged:
            first = line_of(self.text, (*self._path, key))
            raise Refused(
                f'the key "{printable(key)}" is given again; line {first} has it, too',
                line,
                "remove one; kubectl takes the last and drops the other",
            )
        merged.discard(key)
        return key

    @property
    def _path(self) -> Path:
        return tuple(
            len(outer.value) if isinstance(outer.value, list) else str(outer.key)
            for outer in self.open[:-1]
        )


def _merge(value: object, into: _Mapping, merged: set[str], line: int) -> None:
    """Put the keys of a "<<" into the mapping; of several mappings the first wins.

    A key that stands before the "<<" loses to it, one after it wins. YAML has no such
    order, but kubectl's reader does.
    """
    sources = cast("list[object]", value) if isinstance(value, list) else [value]
    for source in reversed(sources):
        if not isinstance(source, dict):
            raise Refused('"<<" wants a mapping, or a list of mappings', line)
        mapping = cast("_Mapping", source)
        merged.update(mapping.keys() - into.keys())
        into.update(mapping)


def value_of(text: str) -> object:
    """Return what the document says, in the types of JSON; None if it is empty.

    Raises:
        Refused: With the line and what to do about it.
    """
    builder = _Builder(text)
    for event in _nodes(text):
        builder.take(event)
    return builder.root


def _skip(event: yaml.Event, nodes: Iterator[yaml.Event]) -> None:
    depth = int(isinstance(event, events.CollectionStartEvent))
    while depth:
        event = next(nodes)
        depth += isinstance(event, events.CollectionStartEvent)
        depth -= isinstance(event, events.CollectionEndEvent)


def _locate(nodes: Iterator[yaml.Event], path: Path, line: int) -> int:
    """Return the line of the deepest part of the path that is written here."""
    parent = next(nodes)
    if not path or not isinstance(parent, events.CollectionStartEvent):
        return line
    is_list = isinstance(parent, events.SequenceStartEvent)
    index = 0
    while not isinstance(part := next(nodes), events.CollectionEndEvent):
        if is_list and index == path[0]:
            return _locate(itertools.chain([part], nodes), path[1:], _line(part))
        if not is_list:
            if _is_key(part, path[0]):
                return _locate(nodes, path[1:], _line(part))
            part = next(nodes)
        _skip(part, nodes)
        index += 1
    return line


def _is_key(event: yaml.Event, key: str | int) -> bool:
    return (
        isinstance(event, events.ScalarEvent) and key_of(scalar_of(event, 0), 0) == key
    )


def line_of(text: str, path: Path) -> int:
    """Return the line of the field, or of what should have held it.

    What an alias or a "<<" brings is where that stands.
    """
    nodes = _nodes(text)
    try:
        return _locate(nodes, path, 1)
    except (Refused, StopIteration):
        return 1
