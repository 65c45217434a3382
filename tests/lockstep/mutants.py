# SPDX-License-Identifier: Apache-2.0
"""Break the server in memory on purpose: the real one must notice each time."""

import sys
from collections.abc import Callable, Iterator
from typing import Final
from unittest import mock

from attrs import evolve, frozen

from mpijob.loose import Manifest
from mpijob.names import Ref
from mpijob_operator.simulation import cluster, deletion, fields, merging, refusals
from mpijob_operator.simulation.cluster import Cluster
from mpijob_operator.simulation.typed import Type
from tests.lockstep.compare import Judge
from tests.lockstep.programs import Program, program_of
from tests.lockstep.stories import STORIES

PROGRAMS: Final = 300

_update, _delete, _create = Cluster.update, Cluster.delete, Cluster.create
_applied = fields.applied


def _no_guard(*_: object) -> None:
    return None


def _second_is_no_write(
    self: Cluster, ref: Ref, propagation: str = "", *, grace: int | None = None
) -> None:
    if not cluster.is_terminating(self.objects[ref]):
        _delete(self, ref, propagation, grace=grace)


def _equal_is_a_write(
    self: Cluster, ref: Ref, after: Manifest, owner: fields.Owner = cluster.SOMEBODY
) -> None:
    before = self.objects[ref]["metadata"]["resourceVersion"]
    _update(self, ref, after, owner)
    left = self.objects.get(ref)
    if left is not None and left["metadata"]["resourceVersion"] == before:
        self._put(ref, left)  # pyright: ignore[reportPrivateUsage] - As a bug would.


def _same_uid(
    self: Cluster, manifest: Manifest, owners: fields.Owners = fields.NOBODY
) -> Ref:
    self.serial = 0
    return _create(self, manifest, owners)


def _forced(
    live: Manifest, owners: fields.Owners, config: fields.Configuration, type_: Type
) -> fields.Outcome:
    return _applied(live, owners, evolve(config, force=True), type_)


def _all_of_the_spec(value: Manifest) -> object:
    return value.get("spec")


def _is_not_terminating(value: Manifest) -> bool:
    return not cluster.is_terminating(value)


def _own_grace(value: Manifest, _: int | None) -> int:
    return 30 if value["spec"].get("nodeName") else 0


def _as_it_is(value: object) -> object:
    return value


def _tells_of_owners(value: Manifest) -> bool:
    return "managedFields" in value["metadata"]


def _going(value: Manifest, *_: object) -> Manifest:
    stamp = {"deletionTimestamp": value["metadata"]["creationTimestamp"]}
    grace = {"deletionGracePeriodSeconds": 0}
    return {**value, "metadata": {**value["metadata"], **stamp, **grace}}


@frozen
class Mutant:
    """A bug: what stands in the place of what."""

    bug: str
    where: object
    name: str
    instead: Callable[..., object]


MUTANTS: Final = (
    Mutant("an apply looks at no uid", refusals, "apply_guard", _no_guard),
    Mutant("a status looks at no version", refusals, "replace_guard", _no_guard),
    Mutant("a deletion looks at no guard", refusals, "delete_guard", _no_guard),
    Mutant("a second deletion is no write", Cluster, "delete", _second_is_no_write),
    Mutant("an equal update is a write", Cluster, "update", _equal_is_a_write),
    Mutant("what is made anew has the old uid", Cluster, "create", _same_uid),
    Mutant("every apply takes by force", fields, "applied", _forced),
    Mutant("a deletion is no generation, and at once", deletion, "going", _going),
    Mutant("a binding is a generation", cluster, "_counted", _all_of_the_spec),
    Mutant("a finalizer holds nothing", deletion, "is_held", _is_not_terminating),
    Mutant("a pod has its own grace alone", deletion, "grace", _own_grace),
    Mutant("null is kept", merging, "without_nulls", _as_it_is),
    Mutant("to tell of owners clears them", fields, "are_cleared", _tells_of_owners),
)


def _programs() -> Iterator[Program]:
    """Yield what is tried: the stories first, for some bugs are rare."""
    yield from STORIES.values()
    yield from map(program_of, range(PROGRAMS))


def killer(judge: Judge, mutant: Mutant) -> int | None:
    """Return the number of the first program that tells a mutant, None if none does."""
    with mock.patch.object(mutant.where, mutant.name, mutant.instead):
        for number, program in enumerate(_programs(), 1):
            if judge.difference(program) is not None:
                return number
    return None


def verdicts(judge: Judge) -> Iterator[tuple[Mutant, int | None]]:
    """Try every mutant."""
    for mutant in MUTANTS:
        yield mutant, killer(judge, mutant)


def report(judge: Judge) -> int:
    """Print which program told each mutant; return how many survived."""
    survived = 0
    for mutant, program in verdicts(judge):
        survived += program is None
        told = "survived" if program is None else f"killed by program {program}"
        sys.stdout.write(f"{mutant.bug}: {told}\n")
        sys.stdout.flush()
    return survived
