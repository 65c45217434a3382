# SPDX-License-Identifier: Apache-2.0
"""Do a program on both servers, and compare all that they say.

Uids and versions are not masked: those of the one server stand for those of the other,
one for one, and versions in the same order.
"""

import itertools
import json
import re
from bisect import insort
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen, mutable

from tests.controlplane.client import Client
from tests.lockstep import abstractions
from tests.lockstep.abstractions import Row, Tally
from tests.lockstep.backends import Change, Model, Real, Said
from tests.lockstep.objects import Json
from tests.lockstep.programs import Program, Step
from tests.lockstep.watches import Watches

UID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Both have the clock of this machine, and write whole seconds.
SECONDS: Final = 2.0


@mutable
class Renaming:
    """Which uid and which version of the one server is which of the other."""

    _mine: dict[str, str] = field(factory=dict[str, str])
    _its: dict[str, str] = field(factory=dict[str, str])
    _versions: list[tuple[int, int]] = field(factory=list[tuple[int, int]])

    def problems(self, model: Json, real: Json) -> Iterator[str]:
        """Note the names of what should be one object; yield why it cannot be."""
        mine, its = model["metadata"], real["metadata"]
        known = self._mine.setdefault(its["uid"], mine["uid"])
        back = self._its.setdefault(mine["uid"], its["uid"])
        if (known, back) != (mine["uid"], its["uid"]):
            yield "uid: new to the one, known to the other"
        pair = int(mine["resourceVersion"]), int(its["resourceVersion"])
        if pair not in self._versions:
            insort(self._versions, pair)
            if not self._are_in_order():
                yield "resourceVersion: moved for the one, not for the other"

    def _are_in_order(self) -> bool:
        pairs = itertools.pairwise(self._versions)
        return all(a[0] < b[0] and a[1] < b[1] for a, b in pairs)

    def renamed(self, real: Json) -> Json:
        """Return what the real server said, with the uids of the one in memory."""
        text = UID.sub(lambda found: self._mine.get(found[0], found[0]), _text(real))
        value: Json = json.loads(text)
        return value


def _text(value: Json) -> str:
    return json.dumps(value)


def differences(mine: Any, its: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - JSON.
    """Yield the places where two values differ."""
    if isinstance(mine, dict) and isinstance(its, dict):
        yield from _differences_of_maps(mine, its, at)  # pyright: ignore[reportUnknownArgumentType] - JSON.
    elif mine != its and not _are_close(mine, its, at):
        yield f"{at}: {mine!r}, and really {its!r}"


def _differences_of_maps(mine: Json, its: Json, at: str) -> Iterator[str]:
    for key in sorted(mine.keys() | its.keys()):
        under = f"{at}.{key}"
        if key not in mine:
            yield f"{under}: only the real one has {its[key]!r}"
        elif key not in its:
            yield f"{under}: only the model has {mine[key]!r}"
        else:
            yield from differences(mine[key], its[key], under)


def _are_close(mine: Any, its: Any, at: str) -> bool:  # noqa: ANN401 - JSON.
    if not at.endswith("Timestamp"):
        return False
    apart = datetime.fromisoformat(mine) - datetime.fromisoformat(its)
    return abs(apart.total_seconds()) <= SECONDS


@frozen
class Difference:
    """A program that the two do differently, up to where they part."""

    program: Program
    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        steps = "".join(f"  {step},\n" for step in self.program)
        return f"{steps}{self.place}:\n" + "\n".join(f"  {w}" for w in self.words)


@mutable
class Judge:
    """The real server, and how much was compared with it."""

    client: Client
    watches: Watches
    minor: int  # Of Kubernetes 1.
    tally: Tally = field(factory=Tally)
    programs: int = 0
    steps: int = 0

    def difference(self, program: Program) -> Difference | None:
        """Do a program on both; return where they part, None if they never do."""
        self.programs += 1
        self.steps += len(program)
        namespace = f"program-{self.programs}"
        run = _Run(
            Model(namespace, self.minor),
            Real(namespace, self.client, self.minor),
            self.tally,
        )
        for index, step in enumerate(program, 1):
            if words := tuple(run.step(step)):
                return Difference(program[:index], "answer", words)
        for kind in sorted({step.kind for step in program}):
            told = self.watches.told(kind, namespace)
            if words := tuple(run.step(Step("list", kind, ""))):
                return Difference(program, f"{kind} in the end", words)
            if words := tuple(run.streams(run.model.changes(kind), told)):
                return Difference(program, f"watch of {kind}", words)
        return None

    def shortest(self, found: Difference) -> Difference:
        """Return a difference of the same place without steps that it does without."""
        steps = found.program
        for index in reversed(range(len(steps))):
            again = self.difference(steps[:index] + steps[index + 1 :])
            if again is not None and again.place == found.place:
                return self.shortest(again)
        return found


@mutable
class _Run:
    model: Model
    real: Real
    tally: Tally
    names: Renaming = field(factory=Renaming)

    def step(self, step: Step) -> Iterator[str]:
        """Do one step on both and yield how they differ."""
        mine, its = self.model.do(step), self.real.do(step)
        if (mine.code, mine.reason) != (its.code, its.reason):
            yield f"{mine.code} {mine.reason}, and really {its.code} {its.reason}"
            yield f"{mine.causes}, and really {its.causes}"
            return
        yield from differences(*abstractions.causes(mine, its, self.tally), "causes")
        if step.verb in ("delete", "kill") and not (mine.objects and its.objects):
            self.tally[Row.DELETED] += bool(its.objects)
            return
        yield from self._all(mine, its)

    def _all(self, mine: Said, its: Said) -> Iterator[str]:
        names = [[o["metadata"]["name"] for o in one.objects] for one in (mine, its)]
        if names[0] != names[1]:
            yield f"{names[0]}, and really {names[1]}"
            return
        for model, real in zip(mine.objects, its.objects, strict=True):
            yield from self._object(model, real)

    def _object(self, model: Json, real: Json) -> Iterator[str]:
        yield from self.names.problems(model, real)
        renamed = self.names.renamed(real)
        pair = abstractions.comparable(model, renamed, self.tally)
        yield from differences(pair.model, pair.real, "")

    def streams(self, mine: list[Change], its: list[Change]) -> Iterator[str]:
        """Yield how two watches differ."""
        told = [[f"{t} {v['metadata']['name']}" for t, v in one] for one in (mine, its)]
        if told[0] != told[1]:
            yield f"{told[0]}, and really {told[1]}"
            return
        for what, (_, model), (_, real) in zip(told[0], mine, its, strict=True):
            for words in self._object(model, real):
                yield f"{what}: {words}"
