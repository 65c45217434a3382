# SPDX-License-Identifier: Apache-2.0
"""A plan as a difference: what is there, with - and +, against what will be."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import mpijob
from mpijob.loose import Manifest, mapping, mappings
from mpijob.status import JobStatus
from mpijob_operator import yaml_text
from mpijob_operator.differences import ABSENT, part_of
from mpijob_operator.field_path import Path, path_text, printable
from mpijob_operator.manifests import key_text
from mpijob_operator.offline import Planned
from mpijob_operator.page import CHANGED, GOES, MADE
from mpijob_operator.streams import LINE_MAX, Streams, wants_colour

_ANSI: Final = {MADE: "32", GOES: "31", CHANGED: "33"}


class _Change(NamedTuple):
    path: Path
    old: object
    new: object


def lines(planned: Planned) -> Iterator[str]:
    """Give the lines of the difference; none where there is nothing to do."""
    before = planned.asked.before
    if planned.asked.edited:
        name = key_text((planned.job.namespace, planned.job.name))
        yield f"{CHANGED} MPIJob {name}"
        sides = (mapping(each).get("spec") for each in (before, planned.asked.manifest))
        yield from _changed(*({"spec": spec} for spec in sides))
    for step in planned.steps:
        for action in step:
            yield from _lines_of(planned, action)


def _lines_of(planned: Planned, action: mpijob.Action) -> Iterator[str]:
    match action:
        case mpijob.Create(_, manifest) | mpijob.Apply(_, manifest, ""):
            yield f"{MADE} {_named(manifest)}"
            yield from _side(MADE, manifest)
        case mpijob.Apply(_, manifest):
            yield f"{CHANGED} {_named(manifest)}"
            yield from _changed(part_of(planned.seen(action), manifest), manifest)
        case mpijob.Touch(_, ref, _, _, fields):
            yield f"{CHANGED} {ref.kind} {key_text((ref.namespace, ref.name))}"
            yield from _side(MADE, fields)
        case mpijob.Delete():
            ref = action.ref
            name = key_text((ref.namespace, ref.name))
            yield f"{GOES} {ref.kind} {name} ({action.why})"
        case mpijob.WriteStatus(ref):
            name = key_text((ref.namespace, ref.name))
            yield f"{CHANGED} {ref.kind} {name}, its status"
            yield from _changed(_status(planned.job.status), _status(action.status))
        case mpijob.Confirm() | mpijob.Event():
            return


def _named(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {key_text((metadata['namespace'], metadata['name']))}"


def _status(status: JobStatus) -> Manifest:
    """Return a status whose conditions have their type for a key, not their place."""
    encoded = json.loads(json.dumps(mpijob.encode_status(status)))
    conditions = {each["type"]: each for each in mappings(encoded.get("conditions"))}
    return {**encoded, **({"conditions": conditions} if conditions else {})}


def _changed(old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    for change in sorted(_changes(old, new), key=lambda change: path_text(change.path)):
        yield f"    {printable(path_text(change.path), LINE_MAX)}"
        yield from (f"  {line}" for line in _sides(change))


def _changes(old: object, new: object) -> Iterator[_Change]:
    from deepdiff.diff import (  # noqa: PLC0415 - it takes longer than most plans.
        DeepDiff,
    )
    from deepdiff.helper import notpresent  # noqa: PLC0415 - as above.

    found = DeepDiff(old, new, view="tree", threshold_to_diff_deeper=0)
    for levels in cast("Mapping[str, Any]", found).values():
        for level in levels:
            sides = (
                ABSENT if side is notpresent else side for side in (level.t1, level.t2)
            )
            yield _Change(tuple(level.path(output_format="list")), *sides)


def _sides(change: _Change) -> Iterator[str]:
    """Give the old value and the new one; of texts the lines that differ."""
    old, new = change.old, change.new
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        texts = (old.splitlines(), new.splitlines())
        for line in list(difflib.unified_diff(*texts, lineterm="", n=1))[2:]:
            if not line.startswith("@@"):
                yield f"{line[0]}   {printable(line[1:], LINE_MAX)}"
        return
    if old is not ABSENT:
        yield from _side(GOES, old)
    if new is not ABSENT:
        yield from _side(MADE, new)


def _side(mark: str, value: object) -> Iterator[str]:
    for line in yaml_text.text(value).splitlines():
        yield f"{mark}   {line}"


def show(plans: Iterable[Planned], streams: Streams) -> None:
    """Print the difference of each plan."""
    colour = wants_colour(streams.stdout)
    for planned in plans:
        for line in lines(planned):
            mark = line.lstrip()[:1]
            ansi = _ANSI.get(mark, "") if colour else ""
            streams.print(f"\x1b[{ansi}m{line}\x1b[0m" if ansi else line)
