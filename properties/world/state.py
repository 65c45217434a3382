# SPDX-License-Identifier: Apache-2.0
"""One moment of a cluster and of the operator that watches it, as a value.

Each kind that is watched has a cache of its own, which shows the cluster as it was;
what happened since stands in line. Nothing here says what may happen next.

Theory: time passes in leaps, from one timer of the operator to the next, and else it
stands still. Whatever waits for any other clock may happen at any time, which is more
than a real cluster does.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from attrs import evolve, field, frozen

import mpijob
from mpijob import names
from mpijob.job import API_VERSION, KIND
from mpijob.loose import Manifest, mapping
from mpijob.names import Ref
from mpijob.observed import Live
from mpijob_operator.controller.memory import NEW, Memory
from mpijob_operator.executor import Call, Execution, Kind
from mpijob_operator.simulation.cluster import Snapshot

# The kinds whose caches lag, each by itself. What only waits by a name (Service,
# ConfigMap, Secret, PodGroup) is seen as it is, but where a scene says otherwise; the
# caches of a state are of the first so many kinds.
JOBS: Final[Kind] = (API_VERSION, KIND)
PODS: Final[Kind] = ("v1", "Pod")
LAUNCHERS: Final[Kind] = ("batch/v1", "Job")
LAGGING: Final[tuple[Kind, ...]] = (JOBS, PODS, LAUNCHERS)
THINGS: Final[tuple[Kind, ...]] = (
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
)
KINDS: Final[tuple[Kind, ...]] = (*LAGGING, *THINGS)


class Change(NamedTuple):
    """What a watch will tell: an object as it then was, or was when it went."""

    revision: int
    ref: Ref
    value: Manifest
    gone: bool


@frozen
class Cache:
    """What the operator knows of one kind, and what it is yet to be told."""

    objects: Mapping[Ref, Manifest] = field(factory=dict[Ref, Manifest])
    revision: int = 0  # The version that it has passed.
    line: tuple[Change, ...] = ()

    def told(self, count: int) -> "Cache":
        """Return it after the next so many changes."""
        if not count:
            return self
        objects = dict(self.objects)
        for change in self.line[:count]:
            if change.gone:
                objects.pop(change.ref, None)
            else:
                objects[change.ref] = change.value
        return Cache(objects, self.line[count - 1].revision, self.line[count:])


@frozen
class Reading:
    """A look that waits for what it wants read live."""

    job: mpijob.MPIJob
    strangers: tuple[Manifest, ...]
    needs: frozenset[Live]
    known: Memory
    read: tuple[tuple[Live, tuple[Manifest, ...]], ...] = ()


@frozen
class Carrying:
    """A plan that is carried out."""

    execution: Execution
    known: Memory  # At the look.
    number: int = 0  # Of the plan, its versions apart.
    versions: tuple[int, ...] = ()  # That the plan names.
    # Whether a guard held in this plan: the job was what was decided on (B8.2).
    vouched: bool = False


@frozen
class Left:
    """How much trouble may still come."""

    faults: int = 1  # Crashes, answers that never come.
    deeds: int = 2  # Of users.
    failures: int = 1  # Of pods.
    waits: int = 0  # Until a timer of the operator is over, before its turn.


@frozen
class Truth:
    """What really happened, whoever saw it; for the checks alone."""

    failures: int = 0  # Of workers of their own in this start, not deleted before.
    result: bool = False  # A launcher exited with 0, and no status tells of it yet.
    won: bool = False  # A launcher of this job exited with 0, whatever became of it.
    meddled: bool = False  # A user did something, perhaps to a pod that had failed.
    refused: bool = False  # A request was refused that was good.
    late: bool = False  # Something was made for a job that was gone or going.


@frozen
class State:
    """Everything that decides what may follow."""

    world: Snapshot
    caches: tuple[Cache, ...]
    memory: Memory = NEW
    listed: bool = True  # Every kind was listed after the last doubt.
    deed: Reading | Carrying | None = None
    floating: Call | None = None  # Sent, unanswered; it may land yet.
    making: tuple[Ref, Manifest] | None = None  # The Job controller's, decided before.
    left: Left = Left()
    truth: Truth = Truth()
    made: Mapping[Ref, int] = field(factory=dict[Ref, int])  # How often each was.

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds whose caches may lag."""
        return KINDS[: len(self.caches)]

    @property
    def job(self) -> Manifest | None:
        """The MPIJob as it is."""
        return self.world.objects.get(JOB)

    def children(self, kind: str) -> list[tuple[Ref, Manifest]]:
        """Return the objects of a kind as they are."""
        return [pair for pair in self.world.objects.items() if pair[0].kind == kind]


JOB: Final = Ref(API_VERSION, KIND, "default", "pi")


def is_watched(value: Manifest) -> bool:
    """Tell whether a watch that is narrowed by label shows an object."""
    if value["kind"] == KIND:
        return True
    labels = mapping(value["metadata"].get("labels"))
    return labels.get(names.OPERATOR_NAME_LABEL) == names.OPERATOR


def listed(world: Snapshot, kinds: tuple[Kind, ...] = LAGGING) -> tuple[Cache, ...]:
    """Return the caches of whoever has listed everything this moment."""
    shown: dict[Kind, dict[Ref, Manifest]] = {kind: {} for kind in kinds}
    for ref, value in world.objects.items():
        if ref[:2] in shown and is_watched(value):
            shown[ref[:2]][ref] = value
    return tuple(Cache(objects, world.revision) for objects in shown.values())


def later(state: State, seconds: float) -> State:
    """Return a moment so much later, in which nothing else happened."""
    world = state.world
    return evolve(state, world=evolve(world, now=world.now + seconds))


Same = Callable[[Manifest, Manifest], bool]
"""Tells whether no look could tell two objects apart, but for their versions."""


def moved(state: State, world: Snapshot, same: Same) -> State:
    """Return a state with another world; watches will tell of what is different."""
    before, kinds = state.world.objects, state.kinds
    changes: dict[Kind, list[Change]] = {}
    for ref, value in world.objects.items():
        if before.get(ref) is not value and ref[:2] in kinds and is_watched(value):
            version = int(value["metadata"]["resourceVersion"])
            change = Change(version, ref, value, gone=False)
            changes.setdefault(ref[:2], []).append(change)
    for ref, value in before.items():
        if ref not in world.objects and ref[:2] in kinds and is_watched(value):
            change = Change(world.revision, ref, value, gone=True)
            changes.setdefault(ref[:2], []).append(change)
    if not changes:
        return evolve(state, world=world)
    caches = list(state.caches)
    for number, kind in enumerate(kinds):
        for change in sorted(changes.get(kind, ()), key=lambda each: each.revision):
            caches[number] = _with_change(caches[number], change, same)
    return evolve(state, world=world, caches=tuple(caches))


def _with_change(cache: Cache, change: Change, same: Same) -> Cache:
    """Return a cache that is to be told of a change.

    Of a change that changes nothing but the version the old version is forgotten: what
    is guarded by it would be refused, and all else is the same.
    """
    line = cache.line
    places = (n for n in range(len(line) - 1, -1, -1) if line[n].ref == change.ref)
    place = next(places, None)
    if place is not None:
        old = line[place]
        if old.gone or change.gone or not same(old.value, change.value):
            return Cache(cache.objects, cache.revision, (*line, change))
        line = (*line[:place], old._replace(value=change.value), *line[place + 1 :])
        return _passed(cache.objects, cache.revision, line, change.revision)
    value = cache.objects.get(change.ref)
    if value is None or change.gone or not same(value, change.value):
        return Cache(cache.objects, cache.revision, (*line, change))
    objects = {**cache.objects, change.ref: change.value}
    return _passed(objects, cache.revision, line, change.revision)


def _passed(
    objects: Mapping[Ref, Manifest],
    revision: int,
    line: tuple[Change, ...],
    last: int,
) -> Cache:
    """Return a cache that has passed a version once it was told all."""
    if not line:
        return Cache(objects, last)
    return Cache(objects, revision, (*line[:-1], line[-1]._replace(revision=last)))
