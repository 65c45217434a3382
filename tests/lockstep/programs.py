# SPDX-License-Identifier: Apache-2.0
"""Random programs of requests, drawn so that they meet.

A program is data. It names a uid or a version by what its client saw of an object, and
each of the two servers puts in its own.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final, Literal

from attrs import asdict, frozen

from mpijob.loose import NOTHING
from tests.lockstep.faults import FAULTS
from tests.lockstep.objects import (
    BOGUS,
    FORMER,
    KINDS,
    METADATA,
    NOW,
    Json,
    Kind,
    Part,
    merged,
)

Verb = Literal[
    "get",
    "list",
    "create",
    "apply",
    "edit",  # With a merge patch.
    "put",  # What was read just before, changed.
    "forget",  # Say that nobody owns anything, where somebody applied.
    "edit status",
    "put status",
    "bind",  # As the scheduler does, where it would.
    "delete",
    "kill",  # Delete a pod as its kubelet does.
]

# A version that no object can have, by which an apply makes what is missing.
NEVER: Final = "@never"

NAMES: Final = ("a", "b", "c")
# What is a name for some kinds, or none.
ODD_NAMES: Final = ("A", "a.b", "9a", "a" * 64, "a-")
MANAGERS: Final = ("m", "n", "o")
STEPS_MAX: Final = 14


@frozen
class Step:
    """One request of a program."""

    verb: Verb
    kind: str
    name: str
    body: Mapping[str, Any] = NOTHING  # Without what names the object.
    manager: str = "m"
    force: bool = False
    uid: str = ""  # Which uid, or version, of those that were seen, is the guard.
    version: str = ""
    policy: str = ""
    grace: int | None = None

    def __str__(self) -> str:
        said = {k: v for k, v in asdict(self).items() if v or (k == "grace" and v == 0)}
        return f"Step({', '.join(f'{key}={value!r}' for key, value in said.items())})"


Program = tuple[Step, ...]


class Draw:
    """Draws one program."""

    def __init__(self, random: Random) -> None:
        self.random = random
        kinds = random.sample(sorted(KINDS), 2)
        count = random.choice((1, 1, 2, 2, 3))
        targets = [(random.choice(kinds), random.choice(NAMES)) for _ in range(count)]
        if self._chance(0.1):
            targets.append((random.choice(kinds), random.choice(ODD_NAMES)))
        self.targets = [*targets, targets[0]]  # Most is about one object.

    def program(self) -> Program:
        """Return the steps."""
        return tuple(self._step() for _ in range(self.random.randint(3, STEPS_MAX)))

    def _step(self) -> Step:
        name, object_name = self.random.choice(self.targets)
        kind, weights = KINDS[name], dict(WEIGHTS)
        weights.update(WEIGHTS_BY_KIND.get(name, {}))
        verb: Verb
        (verb,) = self.random.choices(list(weights), list(weights.values()))
        return _DRAWS[verb](self, kind, object_name)

    def _chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def _seen(self) -> str:
        return self.random.choice((NOW, NOW, NOW, FORMER, BOGUS))

    def _parts(self, parts: tuple[Part, ...], count: int) -> Json:
        body: Json = {}
        for part in self.random.sample(parts, min(count, len(parts))):
            body = merged(body, part(self.random))
        return body

    def _whole(self, kind: Kind) -> Json:
        """Draw a whole object: what a client sends that describes all of it."""
        parts = (*METADATA, *kind.parts, *kind.parts)
        body = self._parts(parts, self.random.choice((0, 1, 2, 3)))
        return self._faulty(kind, merged(kind.base, body))

    def _faulty(self, kind: Kind, body: Json) -> Json:
        """Return a body with which now and then something is wrong."""
        if self._chance(0.8):
            return body
        fault = self.random.choice(list(FAULTS[kind.name].values()))
        return merged(body, fault)

    # --- The steps ----------------------------------------------------------------

    def get(self, kind: Kind, name: str) -> Step:
        return Step("get", kind.name, name)

    def list(self, kind: Kind, name: str) -> Step:
        return Step("list", kind.name, name)

    def create(self, kind: Kind, name: str) -> Step:
        manager = self.random.choice(MANAGERS)
        return Step("create", kind.name, name, self._whole(kind), manager)

    def apply(self, kind: Kind, name: str) -> Step:
        """Apply all of an object, as its owner does, or some of it."""
        return self._touch(kind, name) if self._chance(0.35) else self._own(kind, name)

    def _own(self, kind: Kind, name: str) -> Step:
        guards = (("", ""), ("", ""), ("", NEVER), (self._seen(), ""))
        uid, version = self.random.choice((*guards, ("", self._seen()), (NOW, NOW)))
        body = self._mistaken(kind, self._whole(kind))
        manager = self.random.choice(MANAGERS[:2])
        force = self._chance(0.6)
        return Step("apply", kind.name, name, body, manager, force, uid, version)

    def _mistaken(self, kind: Kind, body: Json) -> Json:
        """Return a body that is now and then not of its type, or says null."""
        if self._chance(0.94):
            return body
        if kind.name == "Pod" and self._chance(0.5):
            spec = {**body["spec"], "containers": body["spec"]["containers"] * 2}
            return {**body, "spec": spec}
        return {**body, "nonsense": self.random.choice((1, None))}

    def _touch(self, kind: Kind, name: str) -> Step:
        """Apply some fields to what is there, as somebody with one purpose does."""
        guards = ((NOW, ""), (NOW, ""), (self._seen(), ""), (NOW, NOW), (NOW, FORMER))
        uid, version = self.random.choice(guards)
        body, manager = self._parts(METADATA, 1), "touch"
        if self._chance(0.5):
            # One manager a purpose: what it leaves out, the server would fill in.
            part = self.random.choice(kind.parts)
            body, manager = merged(body, part(self.random)), part.__name__
        force = self._chance(0.6)
        return Step("apply", kind.name, name, body, manager, force, uid, version)

    def edit(self, kind: Kind, name: str) -> Step:
        """Change some fields without an apply, or take some away."""
        verb: Verb = "edit" if self._chance(0.6) else "put"
        body = self._parts((*METADATA, *kind.parts), self.random.choice((1, 1, 2)))
        if "finalizers" in body.get("metadata", {}) or self._chance(0.3):
            body = {"metadata": {"finalizers": None}}
        elif self._chance(0.3):
            key = self.random.choice(("labels", "annotations"))
            body = {"metadata": {key: {self.random.choice(("i", "j", "k")): None}}}
        else:
            body = self._faulty(kind, body)
        return Step(verb, kind.name, name, body, self.random.choice(MANAGERS))

    def forget(self, kind: Kind, name: str) -> Step:
        """Clear the owners, in one of two ways."""
        said: list[Json] = [{}] if self._chance(0.5) else []
        body = {"metadata": {"managedFields": said}}
        return Step("forget", kind.name, name, body, self.random.choice(MANAGERS))

    def edit_status(self, kind: Kind, name: str) -> Step:
        assert kind.status is not None
        body = {"status": kind.status(self.random)}
        manager = self.random.choice(MANAGERS)
        return Step("edit status", kind.name, name, body, manager)

    def put_status(self, kind: Kind, name: str) -> Step:
        """Put a status in the place of another, as the operator does."""
        assert kind.status is not None
        body = {"status": kind.status(self.random)}
        manager = self.random.choice(MANAGERS[:2])
        version = self._seen() if self._chance(0.9) else ""
        return Step("put status", kind.name, name, body, manager, version=version)

    def bind(self, kind: Kind, name: str) -> Step:
        return Step("bind", kind.name, name)

    def delete(self, kind: Kind, name: str) -> Step:
        policies = ("Background", "Background", "Foreground", "Foreground", "Orphan")
        uid = self._seen() if self._chance(0.4) else ""
        version = self._seen() if self._chance(0.3) else ""
        policy = self.random.choice((*policies, ""))
        return Step("delete", kind.name, name, uid=uid, version=version, policy=policy)

    def kill(self, kind: Kind, name: str) -> Step:
        """End a pod, or give it less time."""
        grace = self.random.choice((0, 0, 5, 60))
        return Step("kill", kind.name, name, grace=grace)


WEIGHTS: Final[Mapping[Verb, int]] = {
    "get": 1,
    "list": 1,
    "create": 4,
    "apply": 11,
    "edit": 5,
    "forget": 1,
    "delete": 4,
}
WEIGHTS_BY_KIND: Final[Mapping[str, Mapping[Verb, int]]] = {
    "Job": {"edit status": 2},
    "MPIJob": {"edit status": 2, "put status": 3},
    "Pod": {"edit status": 3, "bind": 4, "kill": 2},
}
_DRAWS: Final[Mapping[Verb, Callable[[Draw, Kind, str], Step]]] = {
    "get": Draw.get,
    "list": Draw.list,
    "create": Draw.create,
    "apply": Draw.apply,
    "edit": Draw.edit,
    "forget": Draw.forget,
    "edit status": Draw.edit_status,
    "put status": Draw.put_status,
    "bind": Draw.bind,
    "delete": Draw.delete,
    "kill": Draw.kill,
}


def program_of(seed: int) -> Program:
    """Return the program of a seed."""
    return Draw(Random(seed)).program()  # noqa: S311 - To be the same in every run.
