# SPDX-License-Identifier: Apache-2.0
"""Which field belongs to whom: server-side apply, and what a write without it takes.

An object that nobody has applied has no owners here: whose a field is matters to an
apply alone, and the first one finds all that is there in the hands of one owner. So
who only creates and updates costs nothing.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from mpijob.loose import Manifest
from mpijob_operator.simulation import merging
from mpijob_operator.simulation.typed import Steps, Type, Unkeyed, mistakes_of, text_of

Fields = frozenset[Steps]

NO_FIELDS: Final[Fields] = frozenset()

APPLY: Final = "Apply"
UPDATE: Final = "Update"


@frozen(order=True)
class Owner:
    """Whose fields: a client's applies and its updates, each by themselves."""

    operation: str
    manager: str
    subresource: str = ""


Owners = Mapping[Owner, Fields]
"""The fields that each owner has; nobody is in it without any."""

NOBODY: Final[Owners] = {}

# The API server's own kinds, which it treats otherwise than custom resources.
BUILT_IN: Final = frozenset(("v1", "batch/v1"))

# Who has what was there when an object is applied for the first time.
BEFORE_FIRST_APPLY: Final = "before-first-apply"

# What an object says of itself, and nobody owns.
IDENTITY: Final[Fields] = frozenset(
    (
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{key}")
            for key in (
                "clusterName",
                "creationTimestamp",
                "generation",
                "managedFields",
                "name",
                "namespace",
                "resourceVersion",
                "selfLink",
                "uid",
            )
        ),
    )
)


@frozen
class Conflict:
    """A field that an apply would take from another."""

    owner: Owner
    path: Steps

    def cause(self, api_version: str) -> dict[str, str]:
        """Return the conflict as a `Status` tells of it."""
        words = f"conflict with {json.dumps(self.owner.manager)}"
        if self.owner.subresource:
            words += f" with subresource {json.dumps(self.owner.subresource)}"
        if self.owner.operation == UPDATE:
            words += f" using {api_version}"
        return {
            "reason": "FieldManagerConflict",
            "message": words,
            "field": text_of(self.path),
        }


@frozen
class Configuration:
    """What one applies: the fields that are to be so, and theirs."""

    value: Manifest
    owner: Owner
    force: bool = False  # Take from others what they say otherwise.


@frozen
class Outcome:
    """What an apply comes to: an object and its owners, or why it was refused."""

    value: Manifest
    owners: Owners
    conflicts: tuple[Conflict, ...] = ()
    mistakes: tuple[str, ...] = ()


def applied(
    live: Manifest, owners: Owners, config: Configuration, type_: Type
) -> Outcome:
    """Return what becomes of a live object, empty if there is none, by an apply.

    Refused, it changes nothing.
    """
    if mistakes := tuple(mistakes_of(config.value, type_)):
        return Outcome(live, owners, mistakes=mistakes)
    if not live:
        asked = merging.fields_of(config.value, type_) - IDENTITY
        return Outcome(config.value, _somebodys({config.owner: asked}))
    first = Owner(UPDATE, BEFORE_FIRST_APPLY, config.owner.subresource)
    try:
        held = owners or created(live, first, type_)
        outcome = _applied(live, held, config, type_)
    except Unkeyed as error:
        return Outcome(live, owners, mistakes=(str(error),))
    conflicts = outcome.conflicts
    return Outcome(live, owners, conflicts) if conflicts else outcome


def _applied(
    live: Manifest, owners: Owners, config: Configuration, type_: Type
) -> Outcome:
    owner, asked = config.owner, merging.fields_of(config.value, type_)
    last = owners.get(owner, NO_FIELDS)
    after = merging.merged(live, config.value, type_)
    if not last <= asked:
        after = _pruned(after, last, {**owners, owner: asked}, type_)
    changes = merging.changes(live, after, type_)
    others = {who: what for who, what in owners.items() if who != owner}
    conflicts = tuple(_conflicts(others, changes))
    if conflicts and not config.force:
        return Outcome(live, owners, conflicts)
    left = {who: _less(what, changes) for who, what in others.items()}
    return Outcome(after, _somebodys({**left, owner: asked - IDENTITY}))


def written(
    before: Manifest, after: Manifest, owners: Owners, owner: Owner, type_: Type
) -> Owners:
    """Return who owns what after a write that applied nothing."""
    if not owners:
        return owners
    try:
        changes = merging.changes(before, after, type_)
    except Unkeyed:  # No write is refused for that: it takes nothing.
        return owners
    gained = (changes.modified | changes.added) - IDENTITY
    if not gained and not changes.removed:
        return owners
    left = {who: _less(what, changes) for who, what in owners.items()}
    return _somebodys({**left, owner: left.get(owner, NO_FIELDS) | gained})


def created(value: Manifest, owner: Owner, type_: Type) -> Owners:
    """Return who owns what of an object that was created without an apply."""
    return _somebodys({owner: merging.all_of(value, type_) - IDENTITY})


def _less(owned: Fields, changes: merging.Changes) -> Fields:
    if owned.isdisjoint(changes.modified) and owned.isdisjoint(changes.added):
        return owned if owned.isdisjoint(changes.removed) else owned - changes.removed
    return owned - changes.modified - changes.added - changes.removed


def _somebodys(owners: Owners) -> Owners:
    return {who: what for who, what in owners.items() if what}


def _conflicts(others: Owners, changes: merging.Changes) -> Iterator[Conflict]:
    new = changes.modified | changes.added
    for who in sorted(others):
        for path in sorted(others[who] & new):
            yield Conflict(who, path)


def _pruned(after: Manifest, last: Fields, owners: Owners, type_: Type) -> Manifest:
    """Return an object without what one had applied and nobody owns any more."""
    owned = NO_FIELDS.union(*owners.values())
    declared = functools.partial(merging.with_declared, type_=type_)

    def without(paths: Iterable[Steps]) -> Manifest:
        value: Manifest = merging.without(after, merging.tree_of(paths), type_)
        return value

    before = declared(merging.fields_of(after, type_))
    # What others own comes back, with all that it is under.
    stripped = declared(merging.fields_of(without(declared(last)), type_))
    kept = without(before - stripped - declared(owned))
    gone = before - declared(merging.fields_of(kept, type_))
    # So does what nobody owns: it was not ours to take.
    return without(gone & declared(last))


def are_cleared(value: Manifest) -> bool:
    """Tell whether a write says that nobody owns anything: so a client starts anew."""
    said = value["metadata"].get("managedFields")
    return said == [{}] or (said == [] and value["apiVersion"] in BUILT_IN)


def managed_fields(owners: Owners, api_version: str) -> list[Manifest]:
    """Return the owners as `metadata.managedFields` tells of them."""
    return [
        {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields_v1(owners[owner]),
            **({"subresource": owner.subresource} if owner.subresource else {}),
        }
        for owner in sorted(owners)
    ]


# The same sets come again and again where lives are searched; a few hundred differ.
@functools.lru_cache(maxsize=1024)
def _fields_v1(paths: Fields) -> Manifest:
    return _written_tree(merging.tree_of(paths))


def _written_tree(tree: merging.Tree) -> dict[str, Any]:
    inner = {step: _written_tree(tree[step]) for step in sorted(tree)}
    return {".": {}, **inner} if tree.is_field and inner else inner
