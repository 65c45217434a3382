# SPDX-License-Identifier: Apache-2.0
"""Laws of server-side apply, as the cluster in memory has it.

The object is of a kind that has every way to merge (tests/smd/toy.py), and comes to be
by a random story of writes by three clients. That the model does what Kubernetes does
is tests/test_smd.py's to show; what both promise is shown here.
"""

import json
from collections.abc import Mapping
from random import Random
from typing import Any, Final, TypeGuard

from attrs import evolve, frozen
from hypothesis import strategies as st

from mpijob_operator.simulation import fields, merging
from mpijob_operator.simulation.fields import APPLY, UPDATE, Configuration, Owner
from properties.deepfreeze import deepfreeze
from properties.laws import law, sometimes
from tests.smd.model import Model
from tests.smd.stories import Draw, Teller
from tests.smd.toy import toy

Json = Any

KIND = toy()

EMPTY: Final[tuple[Json, ...]] = (None, {}, [])


@frozen
class Scene:
    """An object, who owns what of it, and what two clients are about to write."""

    live: Json
    owners: fields.Owners
    first: Configuration
    second: Configuration
    update: Json

    def applied(self, config: Configuration) -> fields.Outcome:
        return fields.applied(self.live, self.owners, config, KIND.type)

    def then(self, outcome: fields.Outcome) -> "Scene":
        return Scene(
            outcome.value, outcome.owners, self.first, self.second, self.update
        )


def scene(random: Random, writes: int, *, corners: bool) -> Scene:
    cut = as_drawn if corners else solid
    teller, model = Teller(Draw(random, corners), KIND), Model(KIND)
    for _ in range(writes):
        write = teller.next(model.live)
        model.write(evolve(write, object=cut(write.object)))
    live = model.live
    return Scene(
        live=deepfreeze(live),
        owners=model.owners,
        first=_config("a", cut(teller.applied("a", live))),
        second=_config("b", cut(teller.applied("b", live))),
        update=deepfreeze(cut(teller.updated(live))),
    )


def is_map(value: object) -> TypeGuard[Mapping[str, Json]]:
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


def as_drawn(value: Json) -> Json:
    """Return a value as it is."""
    return value


def solid(value: Json) -> Json:
    """Return a value without what is empty."""
    if is_map(value):
        found = {key: solid(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner not in EMPTY}
    if is_list(value):
        return [solid(entry) for entry in value]
    return value


def _config(manager: str, value: Json) -> Configuration:
    return Configuration(deepfreeze(value), Owner(APPLY, manager))


def forced(config: Configuration) -> Configuration:
    return Configuration(config.value, config.owner, force=True)


def scenes(*, corners: bool = True) -> st.SearchStrategy[Scene]:
    """Any object after up to five writes, and the writes that may follow.

    Without the corners there are no nulls and nothing empty, for which Kubernetes has
    rules of its own, and no value changes from a scalar to a map or a list.
    """
    random = st.integers(0, 2**32).map(Random)  # noqa: S311 - Not for secrets.
    drawn = st.builds(scene, random, st.integers(0, 5), corners=st.just(corners))
    return drawn.filter(lambda s: corners or s.live == solid(s.live))


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def unordered(value: Json) -> Json:
    """Return a value whose lists are in an order of their own."""
    if is_map(value):
        return {key: unordered(inner) for key, inner in value.items()}
    if is_list(value):
        return sorted((unordered(entry) for entry in value), key=_text)
    return value


@law(scenes(corners=False), often=("applied",))
def test_to_apply_the_same_again_changes_nothing(scene: Scene) -> None:
    """An apply of what was applied last changes neither object nor owner."""
    once = scene.applied(forced(scene.first))
    if not sometimes("applied", when=not once.mistakes):
        return
    again = scene.then(once).applied(scene.first)
    assert not again.conflicts
    assert again.value == once.value
    assert again.owners == once.owners


@law(scenes(corners=False), often=("conflict",))
def test_force_is_never_refused_for_a_conflict(scene: Scene) -> None:
    """An apply that forces takes what it would otherwise be refused for."""
    refused = scene.applied(scene.first)
    outcome = scene.applied(forced(scene.first))
    assert not outcome.conflicts
    if sometimes("conflict", when=bool(refused.conflicts)):
        taken = {conflict.path for conflict in refused.conflicts}
        assert taken <= outcome.owners[scene.first.owner]
        for owner in outcome.owners.keys() - {scene.first.owner}:
            assert outcome.owners[owner].isdisjoint(taken)


@law(scenes(), often=("conflict", "mistake"))
def test_a_refused_apply_changes_nothing(scene: Scene) -> None:
    """A refused apply leaves the object and its owners as they were."""
    outcome = scene.applied(scene.first)
    sometimes("conflict", when=bool(outcome.conflicts))
    sometimes("mistake", when=bool(outcome.mistakes))
    if outcome.conflicts or outcome.mistakes:
        assert outcome.value is scene.live
        assert outcome.owners is scene.owners


@law(scenes(corners=False), often=("applied",))
def test_what_is_owned_is_there_and_nobody_owns_nothing(scene: Scene) -> None:
    """After an apply each owner owns something, and only what is in the object."""
    outcome = scene.applied(forced(scene.first))
    if not sometimes("applied", when=not outcome.mistakes):
        return
    assert all(outcome.owners.values())
    there = merging.changes({}, outcome.value, KIND.type).added
    assert all(owned <= there for owned in outcome.owners.values())


@law(scenes(), often=("shared", "gone"))
def test_who_applies_nothing_gives_back_what_only_he_had(scene: Scene) -> None:
    """A field that an applier says no more is gone unless somebody else owns it."""
    once = scene.applied(forced(scene.first))
    if once.mistakes:
        return
    owner = scene.first.owner
    nothing = {key: scene.first.value[key] for key in ("apiVersion", "kind")}
    after = scene.then(once).applied(forced(_config(owner.manager, nothing)))
    assert owner not in after.owners
    others = fields.NO_FIELDS.union(*after.owners.values())
    mine = once.owners.get(owner, fields.NO_FIELDS)
    left = merging.fields_of(after.value, KIND.type)
    sometimes("shared", when=not mine.isdisjoint(others))
    if sometimes("gone", when=bool(mine - others)):
        under = {path[:depth] for path in others for depth in range(len(path) + 1)}
        assert not {path for path in mine - others if path in left} - under


@law(scenes(corners=False), often=("both applied",))
def test_appliers_without_a_conflict_may_come_in_any_order(scene: Scene) -> None:
    """Two who conflict neither way come to one object, but for the order in lists."""
    ways = ((scene.first, scene.second), (scene.second, scene.first))
    ends: list[fields.Outcome] = []
    for one, other in ways:
        begun = scene.applied(one)
        if begun.conflicts or begun.mistakes:
            return
        ends.append(scene.then(begun).applied(other))
    if any(end.conflicts or end.mistakes for end in ends):
        return
    sometimes("both applied")
    assert unordered(ends[0].value) == unordered(ends[1].value)
    for config in (scene.first, scene.second):
        theirs = [end.owners.get(config.owner) for end in ends]
        assert theirs[0] == theirs[1]


@law(scenes(), often=("took", "left alone"))
def test_an_update_takes_what_it_changes_and_nothing_else(scene: Scene) -> None:
    """Who writes without an apply owns what he changed; the rest stays as it was."""
    owner = Owner(UPDATE, "d")
    after = fields.written(scene.live, scene.update, scene.owners, owner, KIND.type)
    if not scene.owners:
        assert not after
        return
    changes = merging.changes(scene.live, scene.update, KIND.type)
    new = changes.modified | changes.added
    taken = after.get(owner, fields.NO_FIELDS)
    assert taken == new - fields.IDENTITY
    sometimes("took", when=bool(taken))
    for other, owned in scene.owners.items():
        kept = after.get(other, fields.NO_FIELDS)
        assert kept == owned - new - changes.removed
        sometimes("left alone", when=kept == owned)


@law(scenes(), often=("took over", "shared"))
def test_what_two_own_they_agree_on(scene: Scene) -> None:
    """After an apply whoever owns a field of the applier's owned it as it is now."""
    outcome = scene.applied(forced(scene.first))
    if outcome.mistakes:
        return
    changes = merging.changes(scene.live, outcome.value, KIND.type)
    new = changes.modified | changes.added
    mine = outcome.owners.get(scene.first.owner, fields.NO_FIELDS)
    sometimes("took over", when=not mine.isdisjoint(new))
    for owner, owned in outcome.owners.items():
        if owner != scene.first.owner:
            sometimes("shared", when=not mine.isdisjoint(owned))
            assert owned.isdisjoint(new)
