# SPDX-License-Identifier: Apache-2.0
"""What never gets better is not asked for ever: the load on the API server is bounded.

The shipped controller with its queue, its memory and its caches, over an API server in
memory that gives the same wrong answer to the same request for hours.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Final
from unittest import mock

import pytest
from attrs import define
from hypothesis import strategies as st

from mpijob.loose import Manifest
from mpijob_operator.controller import controller as looking
from mpijob_operator.controller.api import Unreachable
from mpijob_operator.controller.memory import REFUSED_MAX_S
from mpijob_operator.controller.reflector import REFRESH_S
from mpijob_operator.executor import Answer
from mpijob_operator.requests import Request, Verb
from properties.laws import law, sometimes
from properties.test_wakeups import Silent
from tests.room import PI, Memory

HOUR_S: Final = 3_600.0
ANSWERS: Final[dict[str, Answer]] = {
    "no answer": Answer(0),
    "a webhook that is down": Answer(
        500, {"reason": "InternalError", "message": 'failed calling webhook "x"'}
    ),
    "an overloaded server": Answer(503, {"reason": "ServiceUnavailable"}),
    "too many": Answer(429, {"reason": "TooManyRequests"}, retry_after=7.0),
    "wait for ever": Answer(429, {"reason": "TooManyRequests"}, retry_after=1e12),
    "a quota": Answer(403, {"reason": "Forbidden", "message": "exceeded quota"}),
    "not valid": Answer(422, {"reason": "Invalid", "message": "no"}),
    "a conflict": Answer(409, {"reason": "Conflict"}),
    "a name that is taken": Answer(409, {"reason": "AlreadyExists"}),
    "nothing there": Answer(404, {"reason": "NotFound"}),
    "a stale token": Answer(401, {"reason": "Unauthorized"}),
    "a page of a proxy": Answer(200, {"message": "<html>"}),
}
KINDS: Final = ("MPIJob", "Service", "ConfigMap", "Secret", "Pod", "Job", "Event")
# For so long something changes each second.
NEWS_S: Final = 100
# An old view is looked at again every 30 s in the end, and ten times before that.
LOOKS_MAX: Final = 140
# What one look at this job sends at most: every child, a confirmation, an Event, and
# what it reads live.
SENDS_MAX: Final = 14


@define
class Stubborn(Memory):
    """The API server in memory, but for one answer that it always gives."""

    always: str = ""
    verbs: frozenset[Verb] = frozenset()
    kinds: frozenset[str] = frozenset()
    lists_fail: bool = False
    given: int = 0

    async def send(self, request: Request) -> Answer:
        if request.verb in self.verbs and request.ref.kind in self.kinds:
            self.sent.append(request)
            self.given += 1
            await asyncio.sleep(0)
            return ANSWERS[self.always]
        return await super().send(request)

    async def read_all(
        self, path: str, query: Mapping[str, str]
    ) -> tuple[list[Manifest], str]:
        if self.lists_fail:
            raise Unreachable(0, "what came is no list")
        return await super().read_all(path, query)


@define
class Hours(Silent):
    """A controller in hours that pass as fast as they are computed."""

    lists: int = 0  # Of whole kinds, that it asked for.
    longest_s: float = 0.0

    def tell(self) -> None:
        for reflector in self.controller.caches.reflectors:
            self.lists += reflector.synced and reflector.wants_list
        super().tell()

    async def hour(self) -> int:
        """Let an hour pass; return how many looks were due in it."""
        end, looks = self.now + HOUR_S, 0
        queue = self.controller.caches.queue
        self.tell()
        while self.now < end:
            due = queue.next_s
            if due is None or due > 0:
                self.now = min(end, self.now + (math.inf if due is None else due))
                continue
            assert await self.looked()
            self.longest_s = max(self.longest_s, *self.waits())
            looks += 1
            assert looks <= LOOKS_MAX, "it looks too often"
            self.tell()
        return looks

    def waits(self) -> Iterator[float]:
        """Yield for how long the job waits, for what was refused and as it was told."""
        for _, known in self.controller.memories.values():
            yield from (known.pause, known.rest - self.now)
        yield 0.0

    async def news(self, seconds: int) -> None:
        """Have something change each second, for so long."""
        for _ in range(seconds):
            self.now += 1
            self.controller.caches.queue.add(PI)
            await self.looked()
            self.tell()


@st.composite
def rooms(draw: st.DrawFn) -> Hours:
    """Draw what the API server will always say, to which requests."""
    room = Hours()
    always = draw(st.sampled_from([*ANSWERS]))
    verbs = draw(st.sets(st.sampled_from(Verb), min_size=1))
    kinds = draw(st.sets(st.sampled_from(KINDS), min_size=1))
    room.api = Stubborn(
        room.cluster,
        always=always,
        verbs=frozenset(verbs),
        kinds=frozenset(kinds),
        lists_fail=draw(st.booleans()),
    )
    room.controller.api = room.api  # type: ignore[assignment] # As Room has it.
    # A deadline is a time to look that is far off.
    room.submit(runPolicy=draw(st.sampled_from([{}, {"activeDeadlineSeconds": 10**6}])))
    return room


@pytest.mark.rule("B8.1", "B8.4")
@law(rooms(), often=(*ANSWERS,))
def test_what_never_gets_better_is_asked_for_seldom(room: Hours) -> None:
    """P28: under trouble that stays, requests, lists and memory are bounded an hour."""
    api, queue = room.api, room.controller.caches.queue
    assert isinstance(api, Stubborn)
    # What is logged a thousand times is not what is looked at here.
    logged = mock.patch.object(looking, "_log")
    with mock.patch.object(looking, "datetime") as clock, logged:
        clock.now = room.at
        asyncio.run(_two_hours(room))
    sometimes(api.always, when=api.given > 0)
    assert room.longest_s <= REFUSED_MAX_S
    assert queue.entries <= 2 * len(queue) + 64
    assert len(room.controller.memories) <= 1


async def _two_hours(room: Hours) -> None:
    """Let one hour pass for what is tried soon at first; measure the second."""
    await room.hour()
    room.controller.caches.queue.add(PI)
    sent, lists = len(room.api.sent), room.lists
    looks = await room.hour()
    kinds = len(room.controller.caches.reflectors)
    assert len(room.api.sent) - sent <= looks * SENDS_MAX
    assert room.lists - lists <= (HOUR_S / REFUSED_MAX_S + 2) * kinds
    lists = room.lists
    await room.news(NEWS_S)
    assert room.lists - lists <= (NEWS_S / REFRESH_S + 2) * kinds
