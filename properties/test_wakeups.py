# SPDX-License-Identifier: Apache-2.0
"""Nobody looks by chance: what has to be done is done, though nobody resyncs.

The shipped controller with its queue, its memory and its caches, over the API server
in memory. A look is taken when the queue says so and at no other time; caches are told
what changed, and of nothing else.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest import mock

import pytest
from attrs import define, evolve, field
from hypothesis import strategies as st

from mpijob.loose import Manifest, mapping, mappings
from mpijob.names import Ref
from mpijob_operator.controller import controller as looking
from mpijob_operator.controller.memory import Progress
from mpijob_operator.controller.reflector import Reflector
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from properties.laws import law, sometimes
from tests.room import PI, PI_REF, Memory, Room

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
# What the API server may say to a request, and whether it did what was asked.
TROUBLES: Final[dict[str, tuple[Answer, bool]]] = {
    "no answer, not done": (Answer(0), False),
    "no answer, done": (Answer(0), True),
    "a quota": (Answer(403, {"reason": "Forbidden", "message": "quota"}), False),
    "a conflict": (Answer(409, {"reason": "Conflict"}), False),
    "too many": (Answer(429, {"reason": "TooManyRequests"}, retry_after=7.0), False),
    "an error": (Answer(500, {"reason": "InternalError"}), False),
}
# What may never be shown by its watch: it has to be listed.
WORKER: Final = Ref("v1", "Pod", "hpc", "pi-worker-0")
STALL: Final = ("MPIJob", "Service", "ConfigMap", "Secret", "Pod", "Job")
# No job here needs more, whatever is in its way.
LOOKS_MAX: Final = 200
DEADLINE_S: Final = 100
STEP_S: Final = 2.0
LIMITS: Final[tuple[dict[str, int], ...]] = ({}, {"activeDeadlineSeconds": DEADLINE_S})


@define
class Troubled(Memory):
    """The API server in memory; some requests, by their number, come to grief."""

    troubles: dict[int, str] = field(factory=dict[int, str])
    came: list[str] = field(factory=list[str])

    async def send(self, request: Request) -> Answer:
        self.sent.append(request)
        await asyncio.sleep(0)
        name = self.troubles.get(len(self.sent))
        # Who does not hear of an Event does not mind.
        if name is None or request.ref.kind == "Event":
            return self.cluster.answer(request)
        self.came.append(name)
        said, is_done = TROUBLES[name]
        if is_done and request.verb is not Verb.GET:
            self.cluster.answer(request)
        return said


@define
class Silent(Room):
    """A controller that looks when its queue says so."""

    came: list[str] = field(factory=list[str])  # Of the troubles, those that did.
    shown: dict[Ref, Manifest] = field(factory=dict[Ref, Manifest])
    stalled: frozenset[str] = frozenset()  # Kinds whose watch shows nothing any more.
    taken: bool = False  # Whether somebody deletes the first worker, once it is there.
    looks: int = 0

    def tell(self) -> None:
        """Tell the caches what changed; list what was asked for."""
        caches, objects = self.controller.caches, self.cluster.objects
        version = str(self.cluster.revision)
        for number, reflector in enumerate(caches.reflectors):
            kind, progress = reflector.kind, reflector.progress
            there = {ref: v for ref, v in objects.items() if ref[:2] == kind.key}
            if not reflector.synced or reflector.wants_list:
                listed = Progress(version, self.now)
                anew = Reflector(reflector.api, kind, "", caches, lambda: self.now)
                caches.reflectors[number] = evolve(anew, progress=listed)
                caches.replaced(kind, "", there.values())
                continue
            if kind.kind in self.stalled:
                continue
            reflector.progress = evolve(progress, version=version)
            for ref, value in there.items():
                if self.shown.get(ref) != value:
                    caches.changed(kind, value)
            for ref in self.shown.keys() - objects.keys():
                if ref[:2] == kind.key:
                    caches.gone(kind, self.shown[ref])
        self.shown = dict(objects)

    async def lives(self) -> int:
        """Go on to rest, look once more; return how many requests came before that."""
        await self.goes_on()
        sent = len(self.api.sent)
        self.controller.caches.queue.add(PI)
        await self.goes_on()
        return sent

    async def goes_on(self) -> None:
        """Look whenever the queue says so, until it says nothing any more."""
        queue = self.controller.caches.queue
        self.tell()
        while queue:
            if not await self.looked():
                self.now += STEP_S
                continue
            self.looks += 1
            assert self.looks < LOOKS_MAX, "it comes to no rest"
            if self.taken and WORKER in self.cluster.objects:
                self.taken = False
                self.cluster.delete(WORKER)
                self.came.append("a worker is taken")
            self.tell()

    async def looked(self) -> bool:
        """Look if a look is due; tell whether it was."""
        queue = self.controller.caches.queue
        taking = asyncio.create_task(queue.take())
        for _ in range(3):
            await asyncio.sleep(0)
        if not taking.done():
            taking.cancel()
            return False
        taking.result()  # That it went wrong is not that a look is due.
        await self.controller.look(PI)
        queue.done(PI)
        return True

    def at(self, zone: Any) -> datetime:  # noqa: ANN401 - UTC, as the controller asks.
        """Return the time of day, by the clock of the test."""
        return START.astimezone(zone) + timedelta(seconds=self.now - 1_000)


@st.composite
def rooms(draw: st.DrawFn) -> Silent:
    """Draw a job, and what the API server will say to which request."""
    room = Silent()
    numbers = st.integers(1, 25)
    troubles = draw(st.dictionaries(numbers, st.sampled_from([*TROUBLES]), max_size=5))
    room.api = Troubled(room.cluster, troubles=troubles, came=room.came)
    room.controller.api = room.api  # type: ignore[assignment] # As Room has it.
    room.submit(runPolicy=draw(st.sampled_from(LIMITS)))
    room.taken = draw(st.booleans())
    some = st.sets(st.sampled_from(STALL), max_size=2)
    room.stalled = frozenset(draw(some | st.just({*STALL})))
    return room


@pytest.mark.rule("B8.1", "B8.2", "B5.4")
@law(
    rooms(),
    often=(
        *("no answer, not done", "a quota", "too many", "a deadline"),
        *("a stall", "a worker is taken"),
    ),
)
def test_no_wakeup_is_lost(room: Silent) -> None:
    """P38: what a look would do is done, by looks that the queue asked for alone."""
    with mock.patch.object(looking, "datetime") as clock:
        clock.now = room.at
        # One loop for all of it: the queue waits in the one where it first waited.
        sent = asyncio.run(room.lives())
    for name in room.came:
        sometimes(name)
    sometimes("a stall", when=bool(room.stalled))
    assert [*_writes(room.api.sent[sent:])] == [], "a look had been due"
    limit = mapping(room.cluster.objects[PI_REF]["spec"]["runPolicy"])
    if limit and sometimes("a deadline"):
        said = mappings(room.status().get("conditions"))
        assert "Failed" in {each["type"] for each in said}
    else:
        assert WORKER in room.cluster.objects
        kinds = {ref.kind for ref in room.cluster.objects}
        assert kinds >= {"Pod", "Job", "Service", "ConfigMap", "Secret"}


def _writes(requests: Sequence[Request]) -> Iterator[Request]:
    return (each for each in requests if each.verb is not Verb.GET)
