# SPDX-License-Identifier: Apache-2.0
"""When two moments are one: versions do not matter, only which of two is older.

An object without its version is looked at once, however often it is written anew: it
has a number, and what is found out about it is kept under that number.
"""

from collections.abc import Iterable
from typing import Final

import orjson

import mpijob
from mpijob import sightings
from mpijob.job import KIND, MPIJob
from mpijob.loose import Manifest
from mpijob_operator.controller.memory import Memory
from mpijob_operator.executor import Kind
from properties.world.state import Carrying, Reading, State

# Distinct objects and plans, with what was found out about them: a few kilobytes each.
KNOWN_MAX: Final = 300_000

Key = tuple[tuple[int, ...], tuple[int, ...]]


class Values:
    """Numbers what is equal but for its version."""

    def __init__(self) -> None:
        self.values: list[Manifest] = []  # By number; the version is a word.
        self.sighted: list[object] = []
        self.jobs: dict[int, MPIJob] = {}
        self._numbers: dict[bytes, int] = {}
        self._written: dict[tuple[int, int], Manifest] = {}
        # The value is kept, or another could come to have its id.
        self._known: dict[int, tuple[Manifest, int]] = {}

    def number(self, value: Manifest) -> int:
        """Return the number of an object."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        metadata = {**value["metadata"], "resourceVersion": token(value)}
        blind = {**value, "metadata": metadata}
        text = orjson.dumps(blind, option=orjson.OPT_SORT_KEYS)
        number = self._numbers.setdefault(text, len(self.values))
        if number == len(self.values):
            self.values.append(blind)
            self.sighted.append(_sighted(blind, number))
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        self._known[id(value)] = value, number
        return number

    def written(self, number: int, revision: int) -> Manifest:
        """Return an object as it is when it was written so late."""
        key = number, revision
        value = self._written.get(key)
        if value is None:
            blind = self.values[number]
            metadata = {**blind["metadata"], "resourceVersion": str(revision)}
            value = {**blind, "metadata": metadata}
            if len(self._written) > KNOWN_MAX:
                self._written.clear()
            self._written[key] = value
        self._known[id(value)] = value, number
        return value

    def job(self, value: Manifest) -> MPIJob:
        """Return an MPIJob as we read it, but for its version."""
        number = self.number(value)
        if number not in self.jobs:
            self.jobs[number] = mpijob.decode(self.values[number])
        return self.jobs[number]

    def looks_same(self, one: Manifest, other: Manifest) -> bool:
        """Tell whether no look could tell two objects apart, but for the version."""
        return self.sighted[self.number(one)] == self.sighted[self.number(other)]


def token(value: Manifest) -> str:
    """Return the word that stands for the version of an object."""
    return f"@{value['kind']}/{value['metadata']['name']}"


def version(value: Manifest) -> int:
    """Return the version of an object."""
    return int(value["metadata"]["resourceVersion"])


def _sighted(value: Manifest, number: int) -> object:
    sighting = None if value["kind"] == KIND else sightings.sighting(value)
    return number if sighting is None else sighting._replace(resource_version="")


def key_of(state: State, values: Values) -> Key:
    """Return what two states have in common exactly if they are one."""
    numbers: list[int] = []
    versions: list[int] = []
    _note_objects(numbers, versions, state.world.objects.values(), values)
    number = values.number
    for cache in state.caches:
        versions.append(cache.revision)
        _note_objects(numbers, versions, cache.objects.values(), values)
        for change in cache.line:
            numbers.append(-4 if change.gone else -5)
            numbers.append(number(change.value))
            versions += (version(change.value), change.revision)
    memory = state.memory
    _note_memory(numbers, versions, memory, state.kinds)
    now = state.world.now
    # How often each was made is told of an end, also of what is gone by then.
    made = frozenset(state.made.items())
    numbers.append(hash((state.listed, state.left, state.truth, now, made)))
    _note_deed(numbers, versions, state, values)
    if state.floating is not None:
        action = state.floating.action
        numbers.append(hash(repr(action)))
    if state.making is not None:
        numbers += (-6, number(state.making[1]))
    ranks = {v: rank for rank, v in enumerate(sorted(set(versions)))}
    return tuple(numbers), tuple(ranks[v] for v in versions)


def _note_objects(
    numbers: list[int], versions: list[int], objects: Iterable[Manifest], values: Values
) -> None:
    pairs = sorted((values.number(value), version(value)) for value in objects)
    for number, revision in pairs:
        numbers.append(number)
        versions.append(revision)
    numbers.append(-2)


def _note_memory(
    numbers: list[int], versions: list[int], memory: Memory, kinds: tuple[Kind, ...]
) -> None:
    versions += (int(memory.written.get(kind, 0)) for kind in kinds)
    numbers.append(hash((memory.doubt, memory.refusals, memory.taken)))


def _note_deed(
    numbers: list[int], versions: list[int], state: State, values: Values
) -> None:
    deed, kinds = state.deed, state.kinds
    if isinstance(deed, Carrying):
        execution = deed.execution
        _note_memory(numbers, versions, deed.known, kinds)
        troubles = tuple((t.reply.value, t.answer.code) for t in execution.troubles)
        how = (execution.step, execution.left, execution.stopped, deed.vouched)
        numbers += (deed.number, hash((how, troubles)))
        versions += deed.versions
        versions += (int(execution.written.get(kind, 0)) for kind in kinds)
    elif isinstance(deed, Reading):
        _note_memory(numbers, versions, deed.known, kinds)
        numbers.append(hash(deed.needs))
        for what, found in deed.read:
            numbers.append(hash(what.value))
            _note_objects(numbers, versions, found, values)
